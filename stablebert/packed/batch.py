"""Batches without padding: the tokens of all rows one after another, longest row first.

The rows of a batch are those of the paper. Only their order inside the batch differs, and a mean
over rows does not depend on it. Linear layers, LayerNorms and activations then process real tokens
only; attention pads them as its kernels need it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from stablebert.packed.buckets import Buckets, round_up


@dataclass(frozen=True)
class PackedBatch:
    """B rows with T tokens in total, longest row first.

    Attributes:
        input_ids: `(T,)` int64.
        token_type_ids: `(T,)` int64.
        position_ids: `(T,)` int64, from 0 in every row.
        starts: Index of the first token of each row, `(B,)` int64.
        labels: `(B,)`.
        lengths: Tokens of each row in descending order, B integers on the host.
    """

    input_ids: Tensor
    token_type_ids: Tensor
    position_ids: Tensor
    starts: Tensor
    labels: Tensor
    lengths: tuple[int, ...]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch on a device; Lightning calls this."""
        # Lightning passes `non_blocking` for tensors only
        asynchronous = non_blocking or torch.device(device).type == "cuda"
        return self._map(lambda tensor: tensor.to(device, non_blocking=asynchronous))

    def pin_memory(self) -> Self:
        """Return the batch in pinned memory; a DataLoader with `pin_memory` calls this."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        tensors: dict[str, Any] = {
            field.name: function(getattr(self, field.name))
            for field in fields(self)
            if field.name != "lengths"
        }
        return replace(self, **tensors)

    # The following are computed once per batch, not once per layer, without a synchronization.

    @cached_property
    def attention_mask(self) -> Tensor:
        """Real tokens of the batch padded to its longest row, `(B, S)` bool."""
        end = torch.full_like(self.starts[:1], len(self.input_ids))
        lengths = torch.diff(self.starts, append=end)
        return torch.arange(self.lengths[0], device=lengths.device) < lengths[:, None]

    def attention_bias(self, dtype: torch.dtype) -> Tensor:
        """Return what to add to attention scores: -inf for padding, else 0, `(B, 1, 1, S)`.

        It is converted once per batch and type; a mask of bools would be in every layer.
        """
        if dtype not in self._biases:
            # rows of the buffer are aligned, or torch would copy it to such rows in every layer
            rows, length = self.attention_mask.shape
            buffer = torch.zeros(rows, round_up(length, 16), dtype=dtype, device=self.starts.device)
            bias = buffer[:, :length].masked_fill_(~self.attention_mask, -math.inf)
            self._biases[dtype] = bias[:, None, None]
        return self._biases[dtype]

    @cached_property
    def _biases(self) -> dict[torch.dtype, Tensor]:
        return {}

    @cached_property
    def padded_indices(self) -> Tensor:
        """Index of each token in the batch padded to its longest row and flattened, `(T,)`."""
        rows = torch.repeat_interleave(
            torch.arange(len(self.lengths), device=self.starts.device),
            self.attention_mask.sum(1),
            output_size=len(self.input_ids),
        )
        return self.position_ids + self.lengths[0] * rows

    def buckets(
        self, *, heads: int, head_size: int, dtype: torch.dtype, first_only: bool
    ) -> Buckets:
        """Return the buckets of the rows for attention on a CPU."""
        key = heads, head_size, dtype, first_only
        if key not in self._buckets:
            self._buckets[key] = Buckets(
                self.lengths,
                heads=heads,
                head_size=head_size,
                dtype=dtype,
                first_only=first_only,
            )
        return self._buckets[key]

    @cached_property
    def _buckets(self) -> dict[tuple[int, int, torch.dtype, bool], Buckets]:
        return {}


def pack_rows(
    input_ids: Sequence[np.ndarray], token_type_ids: Sequence[np.ndarray], labels: np.ndarray
) -> PackedBatch:
    """Pack the rows of a batch.

    Args:
        input_ids: Tokens of each row, B arrays.
        token_type_ids: Segments of each row, B arrays.
        labels: `(B,)`.

    Example:
        >>> rows = [np.array([2, 7, 3]), np.array([2, 5, 6, 3])]
        >>> batch = pack_rows(rows, [np.zeros(3), np.zeros(4)], labels=np.array([0, 1]))
        >>> batch.input_ids
        tensor([2, 5, 6, 3, 2, 7, 3])
        >>> batch.lengths, batch.labels
        ((4, 3), tensor([1, 0]))
    """
    lengths = np.array([len(row) for row in input_ids])
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    starts = np.cumsum(lengths) - lengths

    def concatenate(rows: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([rows[i] for i in order]).astype(np.int64))

    return PackedBatch(
        input_ids=concatenate(input_ids),
        token_type_ids=concatenate(token_type_ids),
        position_ids=torch.from_numpy(np.arange(lengths.sum()) - np.repeat(starts, lengths)),
        starts=torch.from_numpy(starts),
        labels=torch.from_numpy(labels[order]),
        lengths=tuple(lengths.tolist()),
    )
