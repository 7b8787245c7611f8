"""The LightningModule: a BERT with its head, loss, metrics and optimizer."""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from typing_extensions import override

from stablebert.callbacks.logging import log_now
from stablebert.callbacks.stateful import is_validation_of_fit
from stablebert.callbacks.validation import planned_steps
from stablebert.glue.metrics import compute_metrics
from stablebert.losses import fine_tuning_loss, rdrop_loss
from stablebert.models.location import layers, locate_model, packed_forward
from stablebert.models.surgery import random_layers
from stablebert.optim.adam import BertAdam, BiasCorrection
from stablebert.optim.groups import decay_to_start, layer_rates, parameter_groups, split_by_rate
from stablebert.optim.muon import MuonAdam, muon_groups
from stablebert.optim.schedule import warmup_scheduler
from stablebert.optim.sharpness import ascend
from stablebert.packed.attention import attention_kernels
from stablebert.packed.batch import PackedBatch
from stablebert.packed.capture import BatchShape, CapturedForward
from stablebert.packed.dropout import DropoutMasks
from stablebert.seeds import stream_seed
from stablebert.tasks.metrics import Metric, find_metric

Batch = PackedBatch | dict[str, Tensor]


def labels_of(batch: Batch) -> Tensor:
    """Return the labels `(B,)` of a packed or padded batch."""
    return batch.labels if isinstance(batch, PackedBatch) else batch["labels"]


@dataclass(frozen=True)
class Predictions:
    """Predictions of one pass over a split, on the CPU: `logits (N, C)` and `labels (N,)`."""

    logits: Tensor
    labels: Tensor


class GlueClassifier(L.LightningModule):
    """LightningModule that fine-tunes a pre-trained encoder on a GLUE task.

    The loss is cross-entropy, or mean squared error if the model has one output (STS-B). Every
    validation logs `val/<metric>` and, for every task, `val/score`, the reported metric.

    Args:
        model: Sequence-classification model, called with a batch without its labels. If it has a
            packed forward pass (`packed_forward`), batches may be packed.
        metrics: As in `stablebert.glue.metrics.compute_metrics`; the first is the reported one.
        lr: Peak learning rate.
        betas: Decay rates of Adam's moments.
        eps: Adam's epsilon.
        weight_decay: Decoupled weight decay; never applied to biases and LayerNorm.
        decay_to: "zero", or "start" to decay toward the weights that training starts from, except
            for `random_layers`: the classifier, re-initialized layers, a new pooler.
        layer_decay: Factor on the learning rate from each layer to the next lower one (LLRD).
        bias_correction: Adam's correction of its bias, as in `BertAdam`.
        warmup: Fraction of all optimizer steps during which the learning rate rises.
        constant_from: Fraction of them after which the learning rate stays the same.
        clip_by: "model" clips the norm of all gradients together, "component" that of each weight
            matrix and vector alone (Yang and Ma, 2022), both to the Trainer's `gradient_clip_val`.
        matrices: "muon" trains the weight matrices of the layers with Muon, as `MuonAdam` does;
            "adam" trains everything with Adam.
        rdrop: Weight of the divergence between two dropout passes; 0 makes one pass.
        sam: Distance of the weights at which SAM computes gradients; 0 is a plain gradient.
        dropout_seed: Seed of the dropout masks.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        metrics: Sequence[Metric | str],
        lr: float = 2e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decay_to: str = "zero",
        layer_decay: float = 1.0,
        bias_correction: BiasCorrection = True,
        warmup: float = 0.1,
        constant_from: float = 1.0,
        clip_by: str = "model",
        matrices: str = "adam",
        rdrop: float = 0.0,
        sam: float = 0.0,
        dropout_seed: int = 0,
    ):
        super().__init__()
        self.model = model
        self._inputs = set(inspect.signature(model.forward).parameters) - {"labels"}
        self.metrics = tuple(map(find_metric, metrics))
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction
        self.weight_decay = weight_decay
        self.decay_to = decay_to
        self.layer_decay = layer_decay
        self.warmup = warmup
        self.constant_from = constant_from
        self.clip_by = clip_by
        self.matrices = matrices
        self.rdrop = rdrop
        self.sam = sam
        self.dropout_seed = dropout_seed
        self.masks = DropoutMasks(stream_seed(dropout_seed, "dropout"))
        """Dropout masks for packed batches on a CPU."""
        self.captured_shape: BatchShape | None = None
        """Shape of the training batches to capture on a GPU; None captures nothing."""
        self._captured: CapturedForward | None = None
        self.predictions: dict[str, Predictions] = {}
        """Predictions of the latest pass over each split, `val` and `test`."""
        self.validations: dict[int, Predictions] = {}
        """Predictions of each validation of the latest fit, by optimizer step."""
        self._checkpoint: dict[str, Any] = {}
        self._start: list[tuple[nn.Parameter, Tensor]] = []  # of an ascent, to return to
        self._outputs: list[tuple[Tensor, Tensor]] = []

    @override
    def forward(self, batch: Batch) -> Tensor:
        """Return the logits `(B, C)` of a batch in float32.

        Raises:
            ValueError: If the batch is packed and the model has no packed forward pass.
        """
        with attention_kernels(self.device):
            return self._logits(batch).float()

    def _logits(self, batch: Batch) -> Tensor:
        if not isinstance(batch, PackedBatch):
            inputs = {name: tensor for name, tensor in batch.items() if name in self._inputs}
            logits: Tensor = self.model(**inputs).logits
            return logits
        packed = packed_forward(self.model)
        if packed is None:
            raise ValueError(f"{type(self.model).__name__} has no packed forward pass")
        if self.training and self.captured_shape:
            if self._captured is None:
                self._captured = CapturedForward(self.model, packed, self.captured_shape)
            return self._captured(batch)
        return packed(self.model, batch, self.masks)

    @override
    def on_train_start(self) -> None:
        # Re-initialization draws from its own stream, so methods with one seed share their masks.
        seed = stream_seed(self.dropout_seed, "dropout")
        torch.manual_seed(seed)
        self.masks = DropoutMasks(seed)
        self._captured = None  # a fit that failed leaves one, of weights at other addresses
        self.validations = {}
        if self._checkpoint and self.trainer.ckpt_path:
            self._resume(self._checkpoint)
        self._checkpoint = {}

    @override
    def on_train_end(self) -> None:
        self._captured = None  # with the memory of its graphs

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        is_cuda = self.device.type == "cuda"
        checkpoint["random"] = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if is_cuda else None,
            "masks": self.masks.state_dict(),
        }
        checkpoint["validations"] = {s: (v.logits, v.labels) for s, v in self.validations.items()}

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # training starts later, from a new state
        self._checkpoint = {k: checkpoint[k] for k in ("random", "validations") if k in checkpoint}

    def _resume(self, checkpoint: dict[str, Any]) -> None:
        """Restore random numbers and validations from what `on_save_checkpoint` added."""
        random = checkpoint["random"]
        torch.set_rng_state(random["torch"])
        if random["cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(random["cuda"], self.device)
        self.masks.load_state_dict(random["masks"])
        self.validations = {s: Predictions(*v) for s, v in checkpoint["validations"].items()}

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        plain_loss = self._ascend(batch) if self.sam else None
        loss = self._loss(batch)
        share = self._share_of_window(len(labels_of(batch)), batch_idx)
        # `TrainingLossMonitor` logs the loss without the weight of the micro-batch, and without SAM
        plain_loss = loss.detach() if plain_loss is None else plain_loss
        return {"loss": loss * share, "unweighted_loss": plain_loss}

    def _loss(self, batch: Batch) -> Tensor:
        labels = labels_of(batch)
        if self.rdrop:
            return rdrop_loss(self(batch), self(batch), labels, alpha=self.rdrop)
        return fine_tuning_loss(self(batch), labels)

    def _ascend(self, batch: Batch) -> Tensor:
        """Move the weights uphill for SAM's second pass, and return the loss before the move."""
        masks = copy.deepcopy(self.masks)
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # so that both passes draw the same masks
            loss = self._loss(batch)
        self.masks = masks
        # the scale keeps fp16 gradients from underflow, and the ascent is independent of it
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        parameters = [p for p in self.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(
            loss if scaler is None else scaler.scale(loss), parameters, allow_unused=True
        )
        pairs = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
        moved = [p for p, _ in pairs]
        start = ascend(moved, [g for _, g in pairs], self.sam)
        self._start = list(zip(moved, start, strict=True))
        return loss.detach()

    @override
    def on_after_backward(self) -> None:
        with torch.no_grad():
            for p, start in self._start:
                p.copy_(start)
        self._start = []

    def _share_of_window(self, rows: int, batch_idx: int) -> float:
        """Return the weight of a micro-batch, so that accumulating equals one batch of all rows.

        Lightning divides every loss by the number of micro-batches per step. It also steps on the
        incomplete set at the end of an epoch (lightning#21808), whose gradient would be too small.
        """
        micro_batches = self.trainer.accumulate_grad_batches
        if micro_batches == 1:
            return 1.0
        loader: Any = self.trainer.train_dataloader
        batch_size = loader.batch_size * micro_batches
        first_row = batch_idx // micro_batches * batch_size
        # `limit_train_batches` may end an epoch before its last row
        end = min(len(loader.dataset), self.trainer.num_training_batches * loader.batch_size)
        return float(rows * micro_batches / min(batch_size, end - first_row))

    @override
    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if self.clip_by == "component" and gradient_clip_val is not None:
            for p in self.parameters():
                clip_grad_norm_(p, gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._outputs.append((self(batch), labels_of(batch)))

    @override
    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._outputs.append((self(batch), labels_of(batch)))

    @override
    def on_validation_epoch_start(self) -> None:
        self._outputs.clear()  # an interrupted pass leaves some

    @override
    def on_test_epoch_start(self) -> None:
        self._outputs.clear()

    @override
    def on_validation_epoch_end(self) -> None:
        self._finish_pass("val")
        if is_validation_of_fit(self.trainer):
            self.validations[self.trainer.global_step] = self.predictions["val"]

    @override
    def on_test_epoch_end(self) -> None:
        self._finish_pass("test")

    def _finish_pass(self, split: str) -> None:
        logits, labels = (torch.cat(part).cpu() for part in zip(*self._outputs, strict=True))
        self.predictions[split] = Predictions(logits, labels)
        scores = compute_metrics(self.metrics, logits, labels)
        scores |= {
            "score": scores[self.metrics[0].key],
            "loss": fine_tuning_loss(logits, labels).item(),
        }
        metrics = {f"{split}/{name}": value for name, value in scores.items()}
        # for callbacks and progress bar; the loggers get it below, at the true optimizer step
        self.log_dict(metrics, logger=False, batch_size=1)
        if split == "val":
            log_now(self.trainer, metrics)

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        groups, layers_by_name = parameter_groups(self.model, self.weight_decay), layers(self.model)
        if self.layer_decay != 1:
            rates = layer_rates(list(layers_by_name), lr=self.lr, decay=self.layer_decay)
            groups = split_by_rate(groups, layers_by_name, rates)
        if self.matrices == "muon":
            groups = muon_groups(groups, layers_by_name)
        if self.decay_to == "start":
            drawn = [layers_by_name[name] for name in random_layers(locate_model(self).model)]
            groups = decay_to_start(groups, exclude=drawn)
        optimizer = (MuonAdam if self.matrices == "muon" else BertAdam)(
            groups,
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            bias_correction=self.bias_correction,
        )
        total = planned_steps(self.trainer, self, type(self).__name__)
        factors = warmup_scheduler(
            optimizer, total=total, warmup=self.warmup, constant_from=self.constant_from
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factors, "interval": "step"}}
