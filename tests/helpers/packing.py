"""The same rows packed and padded, and a small BERT on which differences between layers show."""

import numpy as np
import torch

from stablebert.packed.batch import pack_rows

LENGTHS = [5, 60, 3, 5, 9, 5, 60, 1, 48]  # groups of one row and of several; two long rows


def packed_and_padded(lengths=LENGTHS, vocabulary=80, seed=0):
    """Return rows as a packed batch and as a padded one, and the order of the packed rows."""
    rng = np.random.default_rng(seed)
    ids = [rng.integers(5, vocabulary, n) for n in lengths]
    types = [(np.arange(n) > n // 2).astype(np.int64) for n in lengths]
    labels = np.arange(len(lengths)) % 2
    shape = (len(lengths), max(lengths))
    padded = {name: np.zeros(shape, np.int64) for name in ("input_ids", "token_type_ids")}
    padded["attention_mask"] = np.arange(shape[1]) < np.array(lengths)[:, None]
    for i, n in enumerate(lengths):
        padded["input_ids"][i, :n], padded["token_type_ids"][i, :n] = ids[i], types[i]
    padded = {name: torch.from_numpy(array.astype(np.int64)) for name, array in padded.items()}
    order = np.argsort(-np.array(lengths), kind="stable")
    return pack_rows(ids, types, labels), padded, torch.from_numpy(order)


def small_bert(dtype=torch.float32):
    """Return a random BERT whose weights are large enough for its layers to matter."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=80,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return BertForSequenceClassification(config).to(dtype)


def without_dropout(model):
    """Return a model with all its dropout rates set to 0."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model
