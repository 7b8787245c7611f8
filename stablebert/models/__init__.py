"""Pre-trained models: their layers, how they load, how layers are re-initialized."""
