"""Rows of a tokenized split, their order, and batches padded to the longest row."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from stablebert.glue.token_cache import Padding, TokenArrays
from stablebert.seeds import stream_generator


class Example(TypedDict):
    """A tokenized row.

    Attributes:
        input_ids: `(tokens,)` int32.
        token_type_ids: `(tokens,)` int8.
        labels: Class number or score.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    labels: np.generic


class Examples(Dataset[Example]):
    """Rows of a tokenized split.

    Args:
        arrays: The tokenized split.
        rows: Numbers of the rows that belong to this set, in their order, `(N,)`.
    """

    def __init__(self, arrays: TokenArrays, rows: np.ndarray):
        self.arrays, self.rows = arrays, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Example:
        row = self.rows[index]
        span = slice(self.arrays.offsets[row], self.arrays.offsets[row + 1])
        return {
            "input_ids": self.arrays.input_ids[span],
            "token_type_ids": self.arrays.token_type_ids[span],
            "labels": self.arrays.labels[row],
        }

    def lengths(self) -> np.ndarray:
        """Return the number of tokens of each row, including special tokens, `(N,)`."""
        lengths: np.ndarray = np.diff(self.arrays.offsets)[self.rows]
        return lengths

    def labels(self) -> np.ndarray:
        """Return the label of each row, `(N,)`."""
        labels: np.ndarray = self.arrays.labels[self.rows]
        return labels

    def vocabulary(self) -> np.ndarray:
        """Return the token ids that occur in the rows, ascending, int64."""
        is_selected = np.zeros(len(self.arrays.offsets) - 1, bool)
        is_selected[self.rows] = True
        tokens = self.arrays.input_ids[np.repeat(is_selected, np.diff(self.arrays.offsets))]
        return np.unique(tokens).astype(np.int64)

    def sort_by_length(self) -> None:
        """Order the rows from the longest to the shortest, so that batches need little padding."""
        self.rows = self.rows[np.argsort(-self.lengths(), kind="stable")]


class Permutations(Sampler[int]):
    """A new permutation of `n` rows in every epoch, determined by `seed` alone.

    torch's RandomSampler draws one more number when it is read to its end, and whether it is
    depends on the batch size: batches of 32 and of 2 x 16 would differ from the second epoch on.

    Args:
        n: Rows.
        seed: Seed of the order.
    """

    def __init__(self, n: int, seed: int):
        self.n = n
        self.generator = stream_generator(seed, "order")
        self._start = self.generator.get_state()  # of the current epoch
        self._taken = 0  # rows of the current epoch
        self._skip = 0  # rows of the next one that were taken before a checkpoint

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        self._start = self.generator.get_state()
        self._taken, self._skip = self._skip, 0
        for row in torch.randperm(self.n, generator=self.generator).tolist()[self._taken :]:
            self._taken += 1
            yield row

    def state_dict(self) -> dict[str, Any]:
        """Return the position: the generator at the start of an epoch, and the rows taken of it."""
        if self._taken == self.n:
            return {"generator": self.generator.get_state(), "rows": 0}
        return {"generator": self._start, "rows": self._taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration continue from a position that `state_dict` returned."""
        self.generator.set_state(state["generator"])
        self._skip = state["rows"]


def pad(examples: Sequence[Example], padding: Padding) -> dict[str, Tensor]:
    """Pad examples to the longest one, on the tokenizer's side.

    Returns:
        `input_ids`, `attention_mask` and `token_type_ids`, each `(B, S)` int64, and `labels`,
        `(B,)` int64 or, for a regression, float32.
    """
    lengths = [len(example["input_ids"]) for example in examples]
    shape = (len(examples), max(lengths))
    input_ids = np.full(shape, padding["input_ids"], np.int64)
    attention_mask = np.zeros(shape, np.int64)
    token_type_ids = np.full(shape, padding["token_type_ids"], np.int64)
    for i, (example, n) in enumerate(zip(examples, lengths, strict=True)):
        token_span = slice(shape[1] - n, None) if padding["side"] == "left" else slice(n)
        input_ids[i, token_span] = example["input_ids"]
        token_type_ids[i, token_span] = example["token_type_ids"]
        attention_mask[i, token_span] = 1
    arrays = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "token_type_ids": token_type_ids,
        "labels": np.array([example["labels"] for example in examples]),
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
