"""Batches without padding: the tokens of all rows one after another, longest row first.

The rows of a batch are those of the paper; only their order inside the batch is ours, as a mean
over rows does not depend on it. Linear layers, LayerNorms and activations then work on real tokens
alone, and attention on groups of rows of one length.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import groupby
from typing import Self

import numpy as np
import torch
from torch import Tensor

SINGLE_FROM = 48
"""Length from which a row is a group of its own: a larger product gains nothing, a copy costs."""


@dataclass(frozen=True)
class Group:
    """Neighbouring rows of one length: `rows` rows from `row` on, their tokens from `token` on."""

    row: int
    rows: int
    token: int
    length: int


@dataclass(frozen=True)
class PackedBatch:
    """B rows of T tokens in all, longest row first.

    Attributes:
        input_ids: `(T,)` int64.
        token_type_ids: `(T,)` int64.
        position_ids: `(T,)` int64, from 0 in every row.
        starts: index of each row's first token, `(B,)` int64.
        labels: `(B,)`.
        lengths: tokens of each row, falling, on the host.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    position_ids: Tensor
    starts: Tensor
    labels: Tensor
    lengths: tuple[int, ...]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The batch on a device; Lightning calls it."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=non_blocking)
            for field in fields(self)
            if field.name != "lengths"
        }
        return replace(self, **moved)

    # Of the following each is made once per batch, not once per layer; nothing is synchronised.

    @cached_property
    def real(self) -> Tensor:
        """Which tokens of the batch padded to its longest row are real, `(B, longest)`."""
        end = torch.full_like(self.starts[:1], len(self.input_ids))
        lengths = torch.diff(self.starts, append=end)
        return torch.arange(self.lengths[0], device=lengths.device) < lengths[:, None]

    @cached_property
    def places(self) -> Tensor:
        """Where each token lies in the batch padded to its longest row, `(T,)`."""
        rows = torch.repeat_interleave(
            torch.arange(len(self.lengths), device=self.starts.device),
            self.real.sum(1),
            output_size=len(self.input_ids),
        )
        return self.position_ids + self.lengths[0] * rows

    @cached_property
    def groups(self) -> list[Group]:
        """The rows in groups of one length; long ones alone."""
        made: list[Group] = []
        row = token = 0
        for length, equal in groupby(self.lengths):
            count = len(list(equal))
            size = 1 if length >= SINGLE_FROM else count
            for _ in range(count // size):
                made.append(Group(row, size, token, length))
                row, token = row + size, token + size * length
        return made


def pack_rows(
    input_ids: Sequence[np.ndarray], token_type_ids: Sequence[np.ndarray], labels: np.ndarray
) -> PackedBatch:
    """Pack the rows of a batch.

    Args:
        input_ids: tokens of each row.
        token_type_ids: segments of each row.
        labels: `(B,)`.
    """
    lengths = np.array([len(row) for row in input_ids])
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    starts = np.cumsum(lengths) - lengths

    def joined(rows: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([rows[i] for i in order]).astype(np.int64))

    return PackedBatch(
        input_ids=joined(input_ids),
        token_type_ids=joined(token_type_ids),
        position_ids=torch.from_numpy(np.arange(lengths.sum()) - np.repeat(starts, lengths)),
        starts=torch.from_numpy(starts),
        labels=torch.from_numpy(labels[order]),
        lengths=tuple(lengths.tolist()),
    )
