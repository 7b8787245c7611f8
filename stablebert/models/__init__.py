"""Pre-trained models: their layers, how they are loaded, and changes such as re-initialization."""
