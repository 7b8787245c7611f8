"""Vocabulary and batches for pre-training the demo's BERT."""

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stablebert.demo.grammar import Dice
from stablebert.demo.text import text_pairs
from stablebert.packed.batch import PackedBatch, pack_rows

MAX_TOKENS = 128
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FALSE_SHARE = 0.5
"""Share of pairs whose second sentence is replaced by a false one."""
TARGET_SHARE, KEEP_SHARE, REPLACE_SHARE = 0.2, 0.1, 0.1
"""Share of tokens to predict; share of these that are kept, and that become a random token."""


def train_tokenizer(folder: Path) -> Any:
    """Build an uncased WordPiece vocabulary and write the tokenizer in BERT's format.

    The language is small, so the vocabulary is its words, frequent ones first, and letters for any
    other word. (The trainer of `tokenizers` breaks ties at random: no two of its vocabularies would
    be equal.)
    """
    from transformers import BertTokenizerFast  # type: ignore[attr-defined]  # added at run time

    text = chain.from_iterable(islice(text_pairs("vocabulary"), 50_000))
    counts = Counter(re.findall(r"\w+|[^\w\s]", " ".join(text).lower()))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    letters = sorted(set("".join(words)) | set(string.ascii_lowercase + string.digits))
    tokens = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), *words]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = BertTokenizerFast(vocab=vocabulary, do_lower_case=True, model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    return tokenizer


def packed_batches(tokenizer: Any, size: int, seed: str) -> Iterator[PackedBatch]:
    """Yield packed batches of `size` pairs without end; label 1 marks a false second sentence."""
    text, dice = text_pairs(seed), Dice(f"false {seed}")
    while True:
        first, second = (list(part) for part in zip(*islice(text, size), strict=True))
        labels = np.array([dice.chance(FALSE_SHARE) for _ in first])
        successors = successor_words(second)
        second_sentences = [
            false_sentence(true, other, successors, dice) if label else true
            for true, other, label in zip(second, [second[-1], *second], labels, strict=False)
        ]
        encoding = tokenizer(first, second_sentences)
        ids, types = (
            [np.asarray(row) for row in encoding[name]] for name in ("input_ids", "token_type_ids")
        )
        yield pack_rows(ids, types, labels.astype(np.int64))


def successor_words(sentences: Sequence[str]) -> dict[str, list[str]]:
    """Return the words that follow each word; the empty word begins a sentence."""
    successors: dict[str, list[str]] = {}
    for text in sentences:
        for word, successor in pairwise(["", *text[:-1].split()]):
            successors.setdefault(word, []).append(successor)
    return successors


def false_sentence(
    true: str, other: str, successors: Mapping[str, Sequence[str]], dice: Dice
) -> str:
    """Return a false second sentence: another pair's, or the true one with an edit.

    Args:
        true: The true second sentence.
        other: The second sentence of another pair.
        successors: Words that may follow each word, from `successor_words`.
        dice: Chooses between `other`, one replaced word, and two exchanged words.
    """
    kind, words = dice.random(), true[:-1].split()
    i, j = dice.some(range(len(words)), 2)
    if kind < 0.4:
        words[i] = dice.one_of(successors[words[i - 1] if i else ""])
    elif kind < 0.7:
        words[i], words[j] = words[j], words[i]
    false = " ".join(words) + true[-1] if kind < 0.7 else other
    if false.lower() == true.lower():
        return false_sentence(true, other, successors, dice)
    return false


def mask_tokens(
    ids: Tensor, tokenizer: Any, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Select tokens to predict and hide them as BERT does (Devlin et al., 2019, sec. 3.1).

    Args:
        ids: `(T,)`.
        tokenizer: Tokenizer, for its special tokens and the size of its vocabulary.
        random: Source of random numbers.

    Returns:
        `(T,)` ids with hidden tokens; `(P,)` indices of the tokens to predict; `(P,)` their ids.
    """
    special = np.isin(ids.numpy(), tokenizer.all_special_ids)
    positions = np.flatnonzero((random.random(len(ids)) < TARGET_SHARE) & ~special)
    kind = random.random(len(positions))
    replacements = np.full(len(positions), tokenizer.mask_token_id)
    substitutes = random.integers(len(SPECIAL_TOKENS), len(tokenizer), len(positions))
    replacements = np.where(kind < KEEP_SHARE + REPLACE_SHARE, substitutes, replacements)
    replacements = np.where(kind < KEEP_SHARE, ids.numpy()[positions], replacements)
    indices = torch.from_numpy(positions)
    return ids.index_copy(0, indices, torch.from_numpy(replacements)), indices, ids[indices]
