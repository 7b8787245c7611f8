"""Rows of a packed batch in buckets: padded, only inside attention on a CPU, to multiples of 16.

Any mixture of lengths thus takes a few calls per layer, where one group per length took hundreds.
Sixteen float32 values fill a vector register: torch's softmax over fewer columns takes 12 times as
long per element, and over a multiple of 16 less in total than over slightly fewer columns.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

MULTIPLE = 16

_Numbers = TypeVar("_Numbers", int, np.ndarray)


class Buckets:
    """Buckets of consecutive rows of one padded length, and the positions of all tokens in them.

    A bucketed tensor, `(slots, D)`, has its values by bucket, row, head and token; queries that are
    those of first tokens only have no padding.

    Args:
        lengths: Tokens of each row in descending order, B integers.
        heads: Number of heads A.
        head_size: Units per head D.
        dtype: Type of the attention scores.
        first_only: Whether the queries are those of first tokens only.

    Attributes:
        biases: Summand of each bucket's scores: -inf for padding, else 0, `(rows * A, 1, S)`.
        size: Number of attention weights, those of padding included.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        heads: int,
        head_size: int,
        dtype: torch.dtype,
        first_only: bool = False,
    ):
        self.head_size, self.first_only = head_size, first_only
        self._hidden = heads * head_size
        ends = np.repeat(lengths, heads)  # every row once per head
        padded = round_up(ends, MULTIPLE)
        self._shapes: list[tuple[int, int, int]] = []
        self.biases: list[Tensor] = []
        for length, group in groupby(padded.tolist()):
            n, first = len(list(group)), sum(n for n, _, _ in self._shapes)
            self._shapes.append((n, 1 if first_only else length, length))
            is_padding = np.arange(length) >= ends[first : first + n, None, None]
            bias = torch.zeros(is_padding.shape, dtype=dtype)
            self.biases.append(bias.masked_fill_(torch.from_numpy(is_padding), -math.inf))
        self.size = sum(math.prod(shape) for shape in self._shapes)
        starts = (np.cumsum(padded) - padded).reshape(-1, heads)
        first_tokens = np.cumsum(lengths) - lengths
        positions = np.arange(sum(lengths)) - np.repeat(first_tokens, lengths)
        slots = np.repeat(starts, lengths, axis=0) + positions[:, None]
        self._slots = torch.from_numpy(slots.ravel())
        # padding repeats a token of its own row: rows do not mix, not even if one has NaN
        tokens = torch.from_numpy(np.repeat(np.repeat(first_tokens * heads, heads), padded))
        self._tokens = tokens.index_copy_(0, self._slots, torch.arange(len(self._slots)))

    def pad(self, x: Tensor) -> Tensor:
        """Return keys or values `(T, H)` in buckets, `(slots, D)`."""
        return self._by_head(x).index_select(0, self._tokens)

    def pad_queries(self, x: Tensor) -> Tensor:
        """Return queries, `(T, H)` or those of first tokens `(B, H)`, in buckets."""
        return self._by_head(x) if self.first_only else self.pad(x)

    def pad_gradient(self, x: Tensor) -> Tensor:
        """Return a gradient of the shape of the queries in buckets, zero for padding."""
        x = self._by_head(x)
        if self.first_only:
            return x
        return x.new_zeros(len(self._tokens), x.shape[1]).index_copy_(0, self._slots, x)

    def unpad(self, x: Tensor) -> Tensor:
        """Return keys or values in buckets as `(T, H)`."""
        return x.index_select(0, self._slots).view(-1, self._hidden)

    def unpad_queries(self, x: Tensor) -> Tensor:
        """Return queries in buckets as `(T, H)` or `(B, H)`."""
        return x.view(-1, self._hidden) if self.first_only else self.unpad(x)

    def split(
        self, *, weights: Sequence[Tensor], queries: Sequence[Tensor], keys: Sequence[Tensor]
    ) -> Iterator[Any]:
        """Yield each bucket's parts of all these tensors, in this order.

        Args:
            weights: Weights in one flat tensor, `(size,)`; parts are `(rows * A, queries, S)`.
            queries: Queries in buckets; parts are `(rows * A, queries, D)`.
            keys: Keys or values in buckets; parts are `(rows * A, S, D)`.
        """
        w = q = k = 0
        for n, rows, columns in self._shapes:
            yield (
                *(_part(x, w, n, rows, columns) for x in weights),
                *(_part(x, q, n, rows, self.head_size) for x in queries),
                *(_part(x, k, n, columns, self.head_size) for x in keys),
            )
            w += n * rows * columns
            q += n * rows * self.head_size
            k += n * columns * self.head_size

    def _by_head(self, x: Tensor) -> Tensor:
        return x.contiguous().view(-1, self.head_size)


def _part(x: Tensor, start: int, n: int, rows: int, columns: int) -> Tensor:
    """Return `(n, rows, columns)` from an element of a contiguous tensor on: slice and view."""
    strides = rows * columns, columns, 1
    return x.as_strided((n, rows, columns), strides, x.storage_offset() + start)


def round_up(numbers: _Numbers, step: int) -> _Numbers:
    """Return the next multiple of a step, for an integer or for each of an array."""
    return -(-numbers // step) * step
