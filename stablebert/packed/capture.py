"""Forward and backward passes over packed batches, captured once as CUDA graphs and then replayed.

A step of BERT launches thousands of short kernels, and a GPU waits for the launches most of the
time. A replayed graph needs one launch, but always computes on the same tensors: so every batch is
extended to one fixed shape. The tokens added for that lie in padding, which no other token attends
to, and nothing reads their states.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from stablebert.errors import ActionableError
from stablebert.packed.attention import attention_kernels
from stablebert.packed.batch import PackedBatch
from stablebert.packed.buckets import round_up
from stablebert.packed.dropout import DropoutMasks

PackedForward = Callable[[Any, PackedBatch, DropoutMasks], Tensor]


@dataclass(frozen=True)
class BatchShape:
    """The fixed shape of captured batches.

    Attributes:
        rows: B, rows of every batch.
        length: S, the most tokens of a row.
        tokens: T, tokens of a batch, added ones included; at most B S.
    """

    rows: int
    length: int
    tokens: int

    @classmethod
    def of(cls, batches: Iterable[np.ndarray], longest: int) -> "BatchShape":
        """Return the smallest shape, in steps that suit the kernels, that fits the given batches.

        Args:
            batches: Lengths of the rows of each batch; the first one has the usual number of rows.
            longest: Length of the longest row of the data.

        Example:
            >>> BatchShape.of([np.array([5, 9]), np.array([40, 30])], longest=45)
            BatchShape(rows=2, length=48, tokens=96)
        """
        sizes = [(len(lengths), int(lengths.sum())) for lengths in batches]
        rows, length = sizes[0][0], round_up(longest, 16)
        return cls(rows, length, min(round_up(max(t for _, t in sizes), 64), rows * length))

    def fits(self, batch: PackedBatch) -> bool:
        """Return whether a batch can be extended to this shape."""
        return (
            len(batch.lengths) == self.rows
            and batch.lengths[0] <= self.length
            and len(batch.input_ids) <= self.tokens
        )


@dataclass(frozen=True)
class FixedBatch(PackedBatch):
    """A packed batch extended to a fixed shape, whose attention layout is given as tensors.

    Attributes:
        attention_mask: Real tokens of the padded rows, `(B, S)` bool.
        padded_indices: Place of each token in the padded rows, `(T,)` int64. Added tokens have
            different places, all in padding.
    """

    attention_mask: Tensor = field(kw_only=True)  # computed in the base class
    padded_indices: Tensor = field(kw_only=True)


def extend(batch: PackedBatch, shape: BatchShape) -> FixedBatch:
    """Extend a batch to a shape that fits it, without a synchronization.

    Args:
        batch: B rows.
        shape: The shape.
    """
    device = batch.input_ids.device
    is_real = np.arange(shape.length) < np.array(batch.lengths)[:, None]
    added = shape.tokens - len(batch.input_ids)
    places = np.concatenate([np.flatnonzero(is_real), np.flatnonzero(~is_real)[:added]])

    def upload(array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        if device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(device, non_blocking=True)

    def fill(ids: Tensor) -> Tensor:
        # with the first token, because a model may have embeddings of its training tokens only
        return torch.cat([ids, ids[:1].expand(added)])

    return FixedBatch(
        input_ids=fill(batch.input_ids),
        token_type_ids=fill(batch.token_type_ids),
        position_ids=fill(batch.position_ids),
        starts=batch.starts,
        labels=batch.labels,
        lengths=(shape.length,) * shape.rows,
        attention_mask=upload(is_real),
        padded_indices=upload(places),
    )


TENSORS = [entry.name for entry in fields(FixedBatch) if entry.name not in ("labels", "lengths")]
"""The tensors of a batch that a forward pass reads."""


class CapturedForward:
    """Packed forward pass of a model in training on a GPU, replayed where a batch fits.

    The first batch that fits is captured, with the types that autocast then has. Gradients arrive
    as without capture, so optimizer, clipping and gradient scaler are not aware of it. Every pass
    overwrites the states and gradients of the one before: each forward pass needs its backward pass
    before the next one, and gradients cannot be accumulated.

    Args:
        model: The model. Its modules, their modes and dropout rates must stay the same.
        forward: Its packed forward pass.
        shape: Shape of the captured batches. Others run as usual.

    Raises:
        ActionableError: In the first pass, if torch cannot capture it; in a later one, if a
            parameter has another place in memory, is frozen or no longer frozen.
    """

    def __init__(self, model: nn.Module, forward: PackedForward, shape: BatchShape):
        self._model, self._forward, self._shape = model, forward, shape
        self._masks = DropoutMasks(0)  # not used on a GPU
        self._graphed: Callable[..., Tensor] | None = None
        self._parameters = list(model.parameters())
        self._places: list[tuple[int, bool]] = []

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return the logits `(B, C)`."""
        if not self._shape.fits(batch):
            return self._forward(self._model, batch, self._masks)
        extended = extend(batch, self._shape)
        inputs = tuple(getattr(extended, name) for name in TENSORS)
        if self._graphed is None:
            self._places, self._graphed = self._find_places(), self._capture(extended, inputs)
        elif self._places != self._find_places():
            raise ActionableError(
                "parameters were moved, frozen or unfrozen after the first training step, which a "
                "CUDA graph ignores; use trainer.packing=packed"
            )
        return self._graphed(*inputs)

    def _find_places(self) -> list[tuple[int, bool]]:
        """Return the address of every parameter, and whether it is trained."""
        return [(p.data_ptr(), p.requires_grad) for p in self._parameters]

    def _capture(self, batch: FixedBatch, inputs: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        step = _FixedForward(self._model, self._forward, batch, self._masks)
        example = tuple(tensor.clone() for tensor in inputs)
        try:
            graphed: Any = torch.cuda.make_graphed_callables(step, example, allow_unused_input=True)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise ActionableError(
                f"training steps cannot be captured as a CUDA graph ({reason}); "
                "use trainer.packing=packed"
            ) from error
        return cast(Callable[..., Tensor], graphed)


class _FixedForward(nn.Module):
    """The forward pass as a module of tensors only, which is what torch captures."""

    def __init__(
        self, model: nn.Module, forward: PackedForward, batch: FixedBatch, masks: DropoutMasks
    ):
        super().__init__()
        self.model, self._forward, self._masks = model, forward, masks
        self._batch = batch

    def forward(self, *tensors: Tensor) -> Tensor:
        parts: dict[str, Any] = dict(zip(TENSORS, tensors, strict=True))
        batch = replace(self._batch, **parts)
        with attention_kernels(tensors[0].device):
            return self._forward(self.model, batch, self._masks)
