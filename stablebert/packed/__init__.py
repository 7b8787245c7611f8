"""Batches without padding, and the attention, dropout and forward pass for them."""
