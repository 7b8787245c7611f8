"""Monitor of the representation change: linear CKA of each layer with its start.

Kornblith et al. (2019), Similarity of Neural Network Representations Revisited, arXiv 1905.00414.
"""

import inspect
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from typing_extensions import override

from stablebert.callbacks.logging import log_now
from stablebert.callbacks.protocols import model_of, require_repeatable
from stablebert.callbacks.stateful import StatefulCallback
from stablebert.models.architectures import log_key

logger = logging.getLogger(__name__)

ROUNDING = 1e-6
"""Share of the norm of float32 features up to which deviations from their mean are rounding."""


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Return the linear CKA of two representations of the same tokens, computed in float64.

    With centered columns it is ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖), Frobenius norms (Kornblith et al., 2019,
    Table 1), from 0 to 1. It ignores rotations, reflections and the scale of either.

    Args:
        x: `(T, H)`.
        y: `(T, H)`; its H may differ from that of `x`.

    Returns:
        The CKA; NaN, because it is 0 / 0, if either is the same for all tokens.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
        >>> round(linear_cka(x, 3 - 2 * x.flip(1)), 6), round(linear_cka(x, x[:, :1]), 3)
        (1.0, 0.459)
        >>> linear_cka(x, torch.ones(3, 2))
        nan
    """
    centered = []
    for features in (x.double(), y.double()):
        deviations = features - features.mean(0)
        if deviations.norm() <= ROUNDING * features.norm():
            return math.nan
        centered.append(deviations)
    x, y = centered
    return float((y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm()))


class RepresentationChangeMonitor(StatefulCallback):
    """Monitor that logs `cka/<layer>` and `cka_cls/<layer>` at the end of training.

    They are the linear CKA of a layer's hidden states before and after training, over all real
    tokens of a fixed sample of rows, and over the [CLS] tokens, one per row. The layers are the
    `hidden_states` of the transformers library: the embeddings and each block. A shared block
    (ALBERT) counts once for each time it is applied; BART's decoder blocks follow its encoder
    blocks. In place of [CLS], XLNet and BART have the last token, which their heads read.

    A layer is left out where CKA is undefined: [CLS] has the same embedding in every row of a BERT.
    With fewer rows than hidden units, the CKA of [CLS] is biased upwards; compare it only between
    runs with the same sample and hidden size.

    It compares the weights after `on_train_start` of the callbacks listed before it, so after any
    re-initialization, with those after their `on_train_end`, so with averages of weights if it is
    listed after `WeightAveraging`. It reads the sample in evaluation mode, without autocast, and
    changes neither modes nor random numbers.

    The first hidden states stay in the host's memory, and in checkpoints: 4 bytes x tokens x H x
    (L + 1), which is 3.4 GB for BERT-large with 256 rows of 128 tokens, and twice that at the end.

    Args:
        rows: Padded batches of the sample, always the same: dicts with `input_ids` and other inputs
            of the model. Without an `attention_mask`, all tokens are real.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: If `rows` is an iterator; at the start of training, if the module has no model,
            or several, or a batch is not such a dict.
    """

    def __init__(self, rows: Iterable[Any], *, encoder: str | None = None):
        super().__init__(key=encoder)
        require_repeatable(rows, self)
        self.rows = rows
        self.encoder = encoder

    @override
    def new_state(self) -> dict[str, Any]:
        return {"start": {}}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.state["start"]:
            return
        if trainer.ckpt_path is not None:
            logger.warning(
                "RepresentationChangeMonitor: %s has no representations from the start of "
                "training; the comparison is with those of its own weights",
                trainer.ckpt_path,
            )
        self.state["start"] = self._read_features(trainer, pl_module)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        start, device = self.state["start"], pl_module.device
        features = self._read_features(trainer, pl_module)
        ckas = {k: linear_cka(start[k].to(device), x.to(device)) for k, x in features.items()}
        log_now(trainer, {key: cka for key, cka in ckas.items() if not math.isnan(cka)})

    def _read_features(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Tensor]:
        """Return the features of every layer by key of its CKA, `(T, H)` or of [CLS] `(N, H)`."""
        located = model_of(trainer, pl_module, self, self.encoder)
        encoder = located.model.base_model
        input_names = inspect.signature(encoder.forward).parameters
        parts: dict[str, list[Tensor]] = defaultdict(list)
        with torch.no_grad(), _evaluation_mode(encoder):
            for batch in self.rows:
                _require_padded(batch)
                batch = pl_module.transfer_batch_to_device(batch, pl_module.device, 0)
                inputs = {name: x for name, x in batch.items() if name in input_names}
                output = encoder(**inputs, output_hidden_states=True)
                is_real = batch.get("attention_mask", torch.ones_like(batch["input_ids"])).bool()
                number = is_real.cumsum(1)
                is_cls = number == (number[:, -1:] if located.architecture.reads_last else 1)
                for layer, states in _states_by_layer(output).items():
                    parts[f"cka/{layer}"].append(states[is_real].float().cpu())
                    parts[f"cka_cls/{layer}"].append(states[is_real & is_cls].float().cpu())
        return {key: torch.cat(tensors) for key, tensors in parts.items()}


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and restore every mode and the random state after."""
    in_training = [part for part in module.modules() if part.training]
    module.eval()
    with isolate_rng():  # a DataLoader may draw a number
        try:
            yield
        finally:
            for part in in_training:
                part.training = True


def _require_padded(batch: Any) -> None:
    if not isinstance(batch, Mapping) or "input_ids" not in batch:
        kind = type(batch).__name__
        raise TypeError(
            "RepresentationChangeMonitor: rows must yield padded batches, dicts with input_ids and "
            f"attention_mask as a tokenizer returns them; got a {kind}"
            + (" without input_ids" if isinstance(batch, Mapping) else "")
        )


def _states_by_layer(output: Any) -> dict[str, Tensor]:
    """Return the hidden states `(B, S, H)` of a model's output by logged name of their layer."""
    states = output.get("hidden_states")
    if states is None:  # the decoder has the same embeddings as the encoder
        states = (*output["encoder_hidden_states"], *output["decoder_hidden_states"][1:])
    names = ["embeddings", *(f"layer.{i}" for i in range(len(states) - 1))]
    return {log_key(name): x for name, x in zip(names, states, strict=True)}
