"""Batches without padding, and the attention, dropout and forward pass for them.

Shapes in the docstrings of this project use these letters:

| letter | number of |
| --- | --- |
| B | rows in a batch |
| S | tokens per row after padding |
| T | tokens of all rows of a packed batch |
| H | hidden units |
| A | attention heads |
| D | units per head, H / A |
| C | classes, that is, logits per row (1 for a regression) |
| L | layers |
| V | tokens in the vocabulary |
| N | rows of a split |
| P | parameters, elements or indices selected |
| n | runs or seeds |
"""
