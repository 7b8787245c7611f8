"""One run: from a located configuration to a trained model and its record."""
