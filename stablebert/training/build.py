"""Construction of a run's model, data, callbacks and Trainer.

This is the only place where the configuration meets the classes, which all take plain arguments.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, WeightAveraging
from lightning.pytorch.loggers import Logger
from torch.optim.swa_utils import get_ema_multi_avg_fn

from stablebert import callbacks
from stablebert.config.schema import RunConfig
from stablebert.glue.datamodule import GlueDataModule, data_module
from stablebert.machine import keep_freed_memory
from stablebert.models.architectures import settings_that_need_padding
from stablebert.models.folder import raise_if_too_long
from stablebert.models.loading import load_model
from stablebert.models.location import packed_forward
from stablebert.models.surgery import has_dropout, train_embedding_rows
from stablebert.runs.files import ENCODER
from stablebert.runs.locate import cache_folder
from stablebert.runs.run import LocatedRun
from stablebert.tasks import TASKS
from stablebert.training.averaging import LateAveraging
from stablebert.training.module import GlueClassifier
from stablebert.training.own_monitors import load_own_monitors
from stablebert.training.progress import RunProgress
from stablebert.training.quiet import silence_libraries

log = logging.getLogger(__name__)

Precision = Literal["16-mixed", "bf16-mixed", "32-true"]

SAMPLE = 256
"""Maximum number of validation rows on which representations are compared."""


@dataclass(frozen=True)
class Parts:
    """The objects that a run consists of, wired together."""

    module: GlueClassifier
    data: GlueDataModule
    best: callbacks.BestWeights
    trainer: Trainer

    @property
    def packing(self) -> str:
        """How batches are laid out, a value of `trainer.packing`."""
        if self.module.captured_shape:
            return "captured"
        return "packed" if self.data.packed else "padded"


def build_parts(run: LocatedRun, loggers: Sequence[Logger], watchers: Sequence[Callback]) -> Parts:
    """Build everything that a run consists of.

    Args:
        run: The run.
        loggers: Loggers of the Trainer.
        watchers: Callbacks that observe the training without changing it.
    """
    cfg = run.cfg
    silence_libraries()
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    if choose_device(cfg) == "cuda":
        torch.cuda.reset_peak_memory_stats()
    keep_freed_memory()
    module = build_module(run)
    data = build_data(run, packed=use_packing(cfg, module))
    if use_capture(cfg, packed=data.packed):
        module.captured_shape = data.captured_shape()
    decays = cfg.optimizer.weight_decay and cfg.optimizer.decay_to == "zero"
    if data.packed and not decays:  # decay to zero changes every row of the embeddings
        train_embedding_rows(module.model, torch.from_numpy(data.vocabulary()))
    best = callbacks.BestWeights(f"val/{cfg.trainer.select_by or 'score'}")
    # the average replaces the weights, so it comes after the callback that keeps the best ones
    chain = [*build_callbacks(cfg), best, *build_averaging(cfg)]
    if cfg.monitor.representation_change:  # of the average, if there is one
        sample = data.sample_dataloader("val", SAMPLE)
        chain.append(callbacks.RepresentationChangeMonitor(sample))
    return Parts(module, data, best, build_trainer(cfg, [*chain, *watchers], loggers))


def build_module(run: LocatedRun) -> GlueClassifier:
    """Build the pre-trained model with a new head, and its optimizer settings.

    Raises:
        ModelError: If the model cannot be loaded, or has fewer positions than a row may have
            tokens.
        ValueError: If R-Drop would compare two identical passes.
    """
    cfg = run.cfg
    task = TASKS[cfg.task]
    folder = run.start.folder / ENCODER if run.start else run.model
    model: Any = load_model(folder, num_labels=task.num_labels, seed=cfg.init_seed)
    raise_if_too_long(folder, model.config.to_dict(), cfg.data.max_length)
    if cfg.rdrop.alpha and not cfg.mixout.p and not has_dropout(model):
        raise ValueError(
            f"rdrop.alpha={cfg.rdrop.alpha}: {cfg.model.name} has no dropout, so its two passes "
            "are identical; use another model, or method=mixout+rdrop"
        )
    return GlueClassifier(
        model,
        metrics=task.metrics,
        constant_from=cfg.swa.start,
        rdrop=cfg.rdrop.alpha,
        sam=cfg.sam.rho,
        dropout_seed=cfg.data_seed,
        **_arguments(cfg.optimizer, except_for=("clip_norm",)),  # an argument of the Trainer
    )


def build_data(run: LocatedRun, *, packed: bool = False) -> GlueDataModule:
    """Build the data of a run: tokenized, split, and ready for the Trainer."""
    cfg = run.cfg
    data = data_module(cfg.task)(
        source=run.source,
        tokenizer=run.model,
        cache=cache_folder(cfg.paths.cache),
        max_length=cfg.data.max_length,
        batch_size=cfg.trainer.batch_size // cfg.trainer.accumulate,
        eval_batch_size=cfg.trainer.eval_batch_size,
        seed=cfg.data_seed,
        packed=packed,
        # on a CPU, pinning would create a CUDA context
        pin_memory=choose_device(cfg) == "cuda",
    )
    data.prepare_data()
    data.setup("fit")
    return data


def use_packing(cfg: RunConfig, module: GlueClassifier) -> bool:
    """Return whether to pack batches: if the architecture can, unless padding is requested.

    Raises:
        ValueError: If packing is requested and the architecture has no packed forward pass.
    """
    config: Any = module.model.config
    reason = ""
    if packed_forward(module.model) is None:
        reason = f"{config.model_type} has no packed forward pass"
    elif settings := settings_that_need_padding(config):
        reason = f"the packed forward pass of {config.model_type} ignores {', '.join(settings)}"
    if reason and cfg.trainer.packing in ("packed", "captured"):
        raise ValueError(f"trainer.packing={cfg.trainer.packing}: {reason}; use auto or padded")
    if reason and cfg.trainer.packing == "auto":
        log.warning("%s: batches are padded, which is slower", reason)
    return not reason and cfg.trainer.packing != "padded"


def use_capture(cfg: RunConfig, *, packed: bool) -> bool:
    """Return whether to capture training steps: if a GPU can, unless something else is requested.

    Args:
        cfg: Configuration.
        packed: Whether batches are packed.

    Raises:
        ValueError: If capture is requested and impossible.
    """
    reason = ""
    if choose_device(cfg) != "cuda":
        reason = "there is no GPU"
    elif cfg.rdrop.alpha or cfg.sam.rho:
        reason = "a method with two passes per step overwrites the states of the first"
    elif cfg.trainer.accumulate > 1:
        reason = "every backward pass overwrites the gradients that trainer.accumulate adds up"
    elif cfg.mixout.p:
        reason = "Mixout replaces modules"
    if reason and cfg.trainer.packing == "captured":
        raise ValueError(f"trainer.packing=captured: {reason}; use auto or packed")
    return packed and not reason and cfg.trainer.packing != "packed"


def build_callbacks(cfg: RunConfig) -> list[Callback]:
    """Build the callbacks of the method and the monitors, in the order in which they act."""
    chain: list[Callback] = [
        callbacks.ValidationSchedule(cfg.trainer.evaluations),
        callbacks.TrainingLossMonitor(),
    ]
    if cfg.noise.intensity:
        chain.append(callbacks.AddNoise(**_arguments(cfg.noise), seed=cfg.init_seed))
    if cfg.reinit.num_layers or cfg.reinit.pooler:
        chain.append(callbacks.ReinitTopLayers(**_arguments(cfg.reinit), seed=cfg.init_seed))
    patterns, top = [*cfg.trainable.patterns], cfg.trainable.top_layers
    if cfg.adapter.kind:
        adapters = callbacks.AddAdapters(**_arguments(cfg.adapter), seed=cfg.init_seed)
        chain.append(adapters)
        patterns += adapters.patterns
    if patterns or top is not None:
        chain.append(callbacks.TrainPart(patterns, num_layers=top))
    if cfg.mixout.p:
        chain.append(callbacks.Mixout(**_arguments(cfg.mixout)))
    if cfg.probe.l2 is not None:
        chain.append(callbacks.LinearProbe(cfg.probe.l2))
    if cfg.monitor.bias_ratio:
        chain.append(callbacks.BiasRatioMonitor())
    if cfg.monitor.weight_change:
        chain.append(callbacks.WeightChangeMonitor())
    if cfg.monitor.file:
        chain += load_own_monitors(cfg.monitor.file)
    if sys.stdout.isatty():
        chain.append(RunProgress(f"{cfg.task} {cfg.method} {cfg.length} seed {cfg.seed}"))
    return chain


def _arguments(group: Any, *, except_for: Sequence[str] = ()) -> dict[str, Any]:
    """Return the keys of a configuration group as keyword arguments of the class that uses them.

    A new key of the group thus needs no change here.
    """
    names = [field.name for field in fields(group) if field.name not in except_for]
    return {name: getattr(group, name) for name in names}


def build_averaging(cfg: RunConfig) -> list[Callback]:
    """Build Lightning's average of the weights, moving or late, if the method uses one."""
    if cfg.swa.start < 1:
        return [LateAveraging(cfg.swa.start, choose_device(cfg))]
    if cfg.ema.decay is None:
        return []
    average = get_ema_multi_avg_fn(cfg.ema.decay)  # type: ignore[no-untyped-call]  # not typed in torch
    # buffers never change here, and averaging integers would truncate them
    return [WeightAveraging(choose_device(cfg), use_buffers=False, multi_avg_fn=average)]


def choose_device(cfg: RunConfig) -> str:
    """Return the kind of device to train on: `cpu` or `cuda`."""
    if cfg.trainer.accelerator == "cpu" or not torch.cuda.is_available():
        # not Lightning's "auto": it would pick a Mac's GPU, which has no float64 for the monitors
        return cfg.trainer.accelerator.replace("auto", "cpu")
    return "cuda"


def build_trainer(cfg: RunConfig, chain: Sequence[Callback], loggers: Sequence[Logger]) -> Trainer:
    """Build a Trainer with one device, and validation timed by the callback."""
    kind = choose_device(cfg)
    return Trainer(
        accelerator=kind,
        devices=1,
        precision=choose_precision(cfg.trainer.precision, cuda=kind == "cuda"),
        max_epochs=cfg.trainer.epochs if cfg.trainer.max_steps is None else -1,
        max_steps=-1 if cfg.trainer.max_steps is None else cfg.trainer.max_steps,
        accumulate_grad_batches=cfg.trainer.accumulate,
        gradient_clip_val=cfg.optimizer.clip_norm,
        callbacks=list(chain),
        logger=list(loggers),
        # one process on one device, even inside a SLURM allocation of several tasks
        plugins=[LightningEnvironment()],
        val_check_interval=1,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in chain),
        enable_model_summary=False,
        enable_progress_bar=False,
    )


def choose_precision(
    setting: Literal["auto", "16-mixed", "bf16-mixed", "32-true"], *, cuda: bool
) -> Precision:
    """Return the precision to request from Lightning: mixed on CUDA, unless the user chose one."""
    if setting == "auto":
        if not cuda:
            log.warning(
                "on a CPU: training in 32-true (trainer.precision=bf16-mixed may be faster)"
            )
        return "16-mixed" if cuda else "32-true"
    if setting == "16-mixed" and not cuda:
        log.warning("on a CPU: Lightning trains in bf16-mixed instead of 16-mixed")
    return setting
