"""One run: configuration -> data, model, callbacks -> fit -> test -> result.json.

The only place where the configuration meets the classes, which all take plain arguments.
"""

import logging
import math
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import lightning as L
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.optim.swa_utils import get_ema_multi_avg_fn
from typing_extensions import override

from stablebert import callbacks
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import to_yaml
from stablebert.glue.datamodule import GlueDataModule, data_module
from stablebert.glue.metrics import compute_metrics, majority_score
from stablebert.machine import keep_freed_memory
from stablebert.models.architectures import max_positions, packed_forward
from stablebert.models.loading import load_model, save_encoder
from stablebert.models.surgery import has_dropout, train_embedding_rows
from stablebert.optim.adam import steps_taken
from stablebert.runs.claims import ClaimedError, claimed
from stablebert.runs.location import LocatedRun, cache_folder
from stablebert.runs.peek import Peek, write_peek
from stablebert.runs.record import (
    CONFIG,
    CRASH,
    ENCODER,
    HISTORY,
    NO_ROOM,
    RESULT,
    RunRecord,
    read_record,
    write_json,
    write_text,
)
from stablebert.tasks import TASKS
from stablebert.tracking.mirror import mirror_finished_run, open_mirror
from stablebert.training.loggers import HistoryLogger, MirrorLogger, finite
from stablebert.training.module import GlueClassifier, Predictions
from stablebert.training.outcome import (
    count,
    device_name,
    has_failed,
    joined,
    nan_to_zero,
    peak_memory,
)
from stablebert.training.progress import RunProgress
from stablebert.version import versions

log = logging.getLogger(__name__)


def train(located: LocatedRun, watchers: Sequence[Callback] = ()) -> RunRecord:
    """Train and test one run; leave config.yaml, history.jsonl and result.json in its folder.

    Args:
        located: the run; if another process finishes it first, that record is returned.
        watchers: callbacks that watch the training and change nothing.

    Raises:
        ClaimedError: another process is executing it.
        Exception: whatever training raised, after it is written to crash.json.
    """
    located.folder.mkdir(parents=True, exist_ok=True)
    if located.start:
        make_encoder(located.start)
    with claimed(located.folder):
        record = read_record(located.folder) if located.done and not located.cfg.force else None
        if record:
            mirror_finished_run(record, located)
        return record or _train(located, watchers)


def peek(located: LocatedRun, watchers: Sequence[Callback] = ()) -> Peek:
    """Train a run for the fraction `located.until` of its steps and note how it validates then.

    Raises:
        ClaimedError: another process is executing it.
    """
    if located.start:
        make_encoder(located.start)
    located.folder.mkdir(parents=True, exist_ok=True)
    with claimed(located.folder):
        watch = Stopwatch()
        stop = callbacks.StopAfter(located.until or 1, located.cfg.trainer.evaluations)
        made = prepare(located, [], [stop, *watchers, watch], watch)
        with watch.phase("train"):
            made.trainer.fit(made.module, datamodule=made.data)
        if made.trainer.received_sigterm:
            raise SIGTERMException
        score = nan_to_zero(float(made.trainer.callback_metrics["val/score"]))
        found = Peek(made.trainer.global_step, stop.total, score, sum(watch.seconds.values()))
        write_peek(located, found)
        return found


def make_encoder(start: LocatedRun) -> None:
    """Train what others start from, unless it is there; wait where another process is at it."""
    if not start.done:
        log.info("first, for runs that start from it: %s", start.folder)
        train_when_free(start)


def train_when_free(located: LocatedRun) -> RunRecord:
    """As `train`, but wait where another process executes the run."""
    told = False
    while True:
        try:
            return train(located)
        except ClaimedError:
            if not told:
                log.warning("waiting for %s, which another process trains", located.folder)
            told = True
            time.sleep(1)


def _train(located: LocatedRun, watchers: Sequence[Callback]) -> RunRecord:
    cfg, folder = located.cfg, located.folder
    versions()  # of the code that starts, not of what is checked out when it ends
    stands = (folder / RESULT).exists()  # a forced run replaces it when it is complete, not before
    if not stands:
        write_text(folder / CONFIG, to_yaml(cfg))
    history = HistoryLogger(folder / HISTORY)
    mirror = open_mirror(located)
    watch = Stopwatch()
    try:
        loggers: list[Logger] = [history, *([MirrorLogger(mirror)] if mirror else [])]
        record = execute(located, loggers, [*watchers, watch], watch)
        if (folder / RESULT).exists() and not cfg.force:
            log.warning("another process finished this run first: its record stands")
            history.discard()
            record = read_record(folder) or record
        else:
            history.complete()
            write_text(folder / CONFIG, to_yaml(replace(cfg, force=False)))
            if not write_json(folder / RESULT, asdict(record), replace=cfg.force):
                record = read_record(folder) or record
    except BaseException as error:
        crashed = isinstance(error, Exception)  # and not Ctrl-C or SIGTERM
        # a full disk is not the run's fault: it is missing, and not one that crashed
        if crashed and not stands and getattr(error, "errno", None) not in NO_ROOM:
            write_json(folder / CRASH, crash(error, watch))
            history.complete()
        else:
            history.discard()
        if mirror and crashed:
            mirror.crash(error)
        elif mirror:
            mirror.preempt()
        raise
    (folder / CRASH).unlink(missing_ok=True)
    if mirror:
        mirror.finish(record, located)
    return record


@dataclass(frozen=True)
class Prepared:
    """All that a run needs, put together."""

    module: GlueClassifier
    data: GlueDataModule
    best: callbacks.BestWeights
    trainer: L.Trainer


def prepare(
    located: LocatedRun, loggers: list[Logger], watchers: Sequence[Callback], watch: "Stopwatch"
) -> Prepared:
    """Build everything."""
    cfg = located.cfg
    quiet()
    with watch.phase("load"):
        if cfg.trainer.threads is not None:
            torch.set_num_threads(cfg.trainer.threads)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        keep_freed_memory()
        module = build_module(located)
        data = build_data(located, packed=packs(cfg, module))
        decays = cfg.optimizer.weight_decay and cfg.optimizer.decay_to == "zero"
        if data.packed and not decays:  # which moves every row of them
            train_embedding_rows(module.model, torch.from_numpy(data.vocabulary()))
        best = callbacks.BestWeights(f"val/{cfg.trainer.select_by or 'score'}")
        chosen = [*build_callbacks(cfg), best, *build_averaging(cfg), *watchers]
        trainer = build_trainer(cfg, chosen, loggers)
    return Prepared(module, data, best, trainer)


def execute(
    located: LocatedRun, loggers: list[Logger], watchers: Sequence[Callback], watch: "Stopwatch"
) -> RunRecord:
    """Build everything, fit, test with the last and with the best weights, and write it down."""
    cfg = located.cfg
    made = prepare(located, loggers, watchers, watch)
    module, data, best, trainer = made.module, made.data, made.best, made.trainer
    with watch.phase("train"):
        trainer.fit(module, datamodule=data)
    steps = steps_taken(trainer.optimizers[0])
    val_at_last = module.evaluated["val"]
    with watch.phase("test"):
        test_at_last = test(trainer, module, data)
        best.restore(module)  # where every validation was NaN, the last weights are all there is
        test_at_best = test(trainer, module, data)

    if located.keeps:
        save_encoder(module.model, located.folder / ENCODER, tokenizer=located.model)

    task = TASKS[cfg.task]
    dev_at_last = test_at_last if task.holds_out else joined(val_at_last, test_at_last)
    scores = {
        "val_at_best": {name: best.metrics.get(f"val/{name}", math.nan) for name in task.metrics},
        "test_at_best": compute_metrics(task.metrics, test_at_best.logits, test_at_best.labels),
        "test_at_last": compute_metrics(task.metrics, test_at_last.logits, test_at_last.labels),
        "dev_at_last": compute_metrics(task.metrics, dev_at_last.logits, dev_at_last.labels),
    }
    majority = {
        split: majority_score(task.metric, part.labels, num_labels=task.num_labels)
        for split, part in (("val", val_at_last), ("test", test_at_last), ("dev", dev_at_last))
    }
    score = {place: values[task.metric] for place, values in scores.items()}
    return RunRecord(
        task=cfg.task,
        method=cfg.method,
        length=cfg.length,
        scale=cfg.scale,
        seed=cfg.init_seed if cfg.init_seed == cfg.data_seed else cfg.seed,
        seed_init=cfg.init_seed,
        seed_data=cfg.data_seed,
        config_id=located.config_id,
        metric=task.metric,
        status="failed" if has_failed(task, dev_at_last) else "ok",
        # a run that gave no number is a failed run with score 0, never a gap in a mean
        val_best=nan_to_zero(score["val_at_best"]),
        val_best_step=best.step,
        test_at_best=nan_to_zero(score["test_at_best"]),
        test_at_last=nan_to_zero(score["test_at_last"]),
        metrics={
            place: {name: finite(value) for name, value in values.items()}
            for place, values in scores.items()
        },
        majority=majority,
        predictions={
            "test_at_best": count(task, test_at_best),
            "test_at_last": count(task, test_at_last),
            "dev_at_last": count(task, dev_at_last),
        },
        splits=data.splits,
        steps=trainer.global_step,
        skipped_steps=trainer.global_step - steps,
        evaluations=watch.evaluations,
        precision=str(trainer.precision),
        packing="packed" if data.packed else "padded",
        padding_efficiency=data.padding_efficiency(),
        threads=torch.get_num_threads(),
        seconds={name: round(spent, 3) for name, spent in watch.seconds.items()},
        peak_memory_bytes=peak_memory(trainer.strategy.root_device),
        device=device_name(trainer.strategy.root_device),
        data=located.source.identity,
        model=located.model_identity,
        versions=versions(),
        start=origin(located.start) if located.start else None,
    )


def origin(start: LocatedRun) -> dict[str, Any] | None:
    """What a record says of the run that it started from."""
    record = read_record(start.folder)
    return record and {
        "task": record.task,
        "config_id": record.config_id,
        "seed": record.seed,
        "val_best": record.val_best,
        "seconds": round(sum(record.seconds.values()), 3),
    }


def test(trainer: L.Trainer, module: GlueClassifier, data: GlueDataModule) -> Predictions:
    """Predict the test split with the weights as they are."""
    trainer.test(module, datamodule=data, verbose=False)
    if trainer.received_sigterm:  # in the last batch Lightning does not act on it
        raise SIGTERMException
    return module.evaluated["test"]


def packs(cfg: RunConfig, module: GlueClassifier) -> bool:
    """Whether batches are packed: wherever the architecture can, unless padding is asked for.

    Raises:
        ValueError: packing is asked for and the architecture cannot.
    """
    able = packed_forward(module.model) is not None
    if not able and cfg.trainer.packing != "padded":
        what = f"{module.model.config.model_type} has no packed forward pass"
        if cfg.trainer.packing == "packed":
            raise ValueError(f"trainer.packing=packed: {what}; type auto or padded")
        log.warning("%s: batches are padded, which is slower", what)
    return able and cfg.trainer.packing != "padded"


def build_data(located: LocatedRun, *, packed: bool = False) -> GlueDataModule:
    """The task's data, tokenised and split, ready for the Trainer."""
    cfg = located.cfg
    data = data_module(cfg.task)(
        source=located.source,
        tokenizer=located.model,
        cache=cache_folder(cfg.paths.cache),
        max_length=cfg.data.max_length,
        batch_size=cfg.trainer.batch_size // cfg.trainer.accumulate,
        eval_batch_size=cfg.trainer.eval_batch_size,
        seed=cfg.data_seed,
        packed=packed,
    )
    data.prepare_data()
    data.setup("fit")
    return data


def build_module(located: LocatedRun) -> GlueClassifier:
    """The pre-trained model with a new head, and how it is optimised.

    Raises:
        ValueError: the model has fewer positions than a row may have tokens, or R-Drop is to
            compare passes that do not differ.
    """
    cfg = located.cfg
    task = TASKS[cfg.task]
    folder = located.start.folder / ENCODER if located.start else located.model
    model = load_model(folder, num_labels=task.num_labels, seed=cfg.init_seed)
    positions = max_positions(model.config)
    if positions and cfg.data.max_length > positions:
        raise ValueError(
            f"data.max_length={cfg.data.max_length}: {cfg.model.name} has {positions} positions"
        )
    if cfg.rdrop.alpha and not cfg.mixout.p and not has_dropout(model):
        raise ValueError(
            f"rdrop.alpha={cfg.rdrop.alpha}: {cfg.model.name} has no dropout, so two passes agree; "
            "type another model, or method=mixout+rdrop"
        )
    return GlueClassifier(
        model,
        metrics=task.metrics,
        lr=cfg.optimizer.lr,
        betas=cfg.optimizer.betas,
        eps=cfg.optimizer.eps,
        weight_decay=cfg.optimizer.weight_decay,
        decay_to=cfg.optimizer.decay_to,
        layer_decay=cfg.optimizer.layer_decay,
        bias_correction=cfg.optimizer.bias_correction,
        warmup=cfg.optimizer.warmup,
        rdrop=cfg.rdrop.alpha,
        dropout_seed=cfg.data_seed,
    )


def build_callbacks(cfg: RunConfig) -> list[Callback]:
    """What the method and the monitors do around training."""
    chosen: list[Callback] = [
        callbacks.ValidationSchedule(cfg.trainer.evaluations),
        callbacks.TrainingLossMonitor(),
    ]
    reinit = None
    if cfg.reinit.num_layers or cfg.reinit.pooler:
        depth, pooler = cfg.reinit.num_layers, cfg.reinit.pooler
        reinit = callbacks.ReinitTopLayers(depth, pooler, seed=cfg.init_seed)
        chosen.append(reinit)
    if cfg.trainable.patterns or cfg.trainable.top_layers is not None:
        part, top = cfg.trainable.patterns, cfg.trainable.top_layers
        chosen.append(callbacks.TrainPart(part, num_layers=top, after=reinit))
    if cfg.mixout.p:
        chosen.append(callbacks.Mixout(cfg.mixout.p, cfg.mixout.mask))
    if cfg.probe.l2 is not None:
        chosen.append(callbacks.LinearProbe(cfg.probe.l2))
    if cfg.monitor.bias_ratio:
        chosen.append(callbacks.BiasRatioMonitor())
    if cfg.monitor.weight_change:
        chosen.append(callbacks.WeightChangeMonitor())
    if sys.stdout.isatty():
        chosen.append(RunProgress(f"{cfg.task} {cfg.method} {cfg.length} seed {cfg.seed}"))
    return chosen


def build_averaging(cfg: RunConfig) -> list[Callback]:
    """Lightning's average of the weights, to be listed after what keeps the best ones."""
    if cfg.ema.decay is None:
        return []
    average = get_ema_multi_avg_fn(cfg.ema.decay)
    # buffers never change here, and an average of integers would be cut down to the next one
    return [WeightAveraging(device(cfg), use_buffers=False, multi_avg_fn=average)]


def device(cfg: RunConfig) -> str:
    """The kind of device to train on."""
    if cfg.trainer.accelerator == "cpu" or not torch.cuda.is_available():
        # not Lightning's "auto", which takes a Mac's GPU: that has no float64 for the monitors
        return cfg.trainer.accelerator.replace("auto", "cpu")
    return "cuda"


def build_trainer(cfg: RunConfig, chosen: list[Callback], loggers: list[Logger]) -> L.Trainer:
    """Lightning's Trainer: one device, no checkpoints, validation when the callback says so."""
    kind = device(cfg)
    return L.Trainer(
        accelerator=kind,
        devices=1,
        precision=precision(cfg.trainer.precision, cuda=kind == "cuda"),
        max_epochs=cfg.trainer.epochs if cfg.trainer.max_steps is None else -1,
        max_steps=-1 if cfg.trainer.max_steps is None else cfg.trainer.max_steps,
        accumulate_grad_batches=cfg.trainer.accumulate,
        gradient_clip_val=cfg.optimizer.clip_norm,
        callbacks=chosen,
        logger=loggers,
        # one process on one device, also inside a SLURM allocation of several tasks
        plugins=[LightningEnvironment()],
        val_check_interval=1,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )


def precision(wanted: str, *, cuda: bool) -> str:
    """Precision to ask Lightning for: mixed where there is CUDA, unless the user chose one."""
    if wanted == "auto":
        if not cuda:
            log.warning(
                "on a CPU: training in 32-true (trainer.precision=bf16-mixed may be faster)"
            )
        return "16-mixed" if cuda else "32-true"
    if wanted == "16-mixed" and not cuda:
        log.warning("on a CPU: Lightning trains in bf16-mixed instead of 16-mixed")
    return wanted


class Stopwatch(Callback):
    """Wall seconds by phase, evaluations made and steps reached, also of a run that crashes."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("load", "train", "validate", "test"), 0.0)
        self.evaluations = 0
        self.step = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a phase; validation inside training is not training."""
        start, validated = time.perf_counter(), self.seconds["validate"]
        try:
            yield
        finally:
            within = self.seconds["validate"] - validated
            self.seconds[name] += time.perf_counter() - start - within

    @override
    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.step = trainer.global_step

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds["validate"] += time.perf_counter() - self._started
        self.evaluations += 1


def crash(error: BaseException, watch: Stopwatch) -> dict[str, Any]:
    """What crash.json holds."""
    return {
        "error": type(error).__name__,
        "message": str(error),
        "step": watch.step,
        "traceback": "".join(traceback.format_exception(error)),
        "versions": versions(),
    }


def quiet() -> None:
    """Silence what libraries say about settings that are chosen here on purpose."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",  # a batch is collated in less than a worker's message
        ".*smaller than the logging interval.*",
        ".*float32 matmul precision.*",
        ".*is not supported on CPU.*",
        ".*`lr_scheduler.step\\(\\)` before `optimizer.step.*",  # fp16 skipped the first step
        ".*isinstance\\(treespec, LeafSpec\\).*",
    ):
        warnings.filterwarnings("ignore", message)
