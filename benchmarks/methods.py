"""Measure what a training step of each method costs, relative to one of `standard`.

Methods run round-robin in one process. A step is forward, backward, clipping and update with the
classes of a real run, without Trainer, monitors and validation. `reinit`, `noisytune`, `longer`,
`intermediate` and `lp_ft` differ only before training; `mosbach` is measured with its smaller
batch.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from statistics import median
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from lightning.pytorch.plugins.precision import Precision

from stablebert.callbacks import AddAdapters, Mixout, TrainPart
from stablebert.config.compose import compose
from stablebert.machine import keep_freed_memory
from stablebert.models.surgery import train_embedding_rows
from stablebert.runs.locate import locate
from stablebert.signals import run_script
from stablebert.training.build import (
    build_averaging,
    build_callbacks,
    build_data,
    build_module,
    use_packing,
)
from stablebert.training.module import GlueClassifier
from stablebert.training.quiet import silence_libraries

ROUNDS, STEPS = 7, 8
METHODS = (
    *("standard", "bert_adam", "mixout", "llrd", "pretrained_wd", "wd", "mosbach", "ema", "rdrop"),
    *("adamd", "bert_adam_rescaled", "component_clipping", "swa", "sam", "muon"),
    *("bitfit", "layernorm", "head_only", "lora", "ia3"),
)


def build_step(method: str, data: str, model: str, task: str) -> Callable[[], None]:
    """Build a run with a method and return a function that trains one step."""
    overrides = [f"task={task}", f"method={method}", "scale=mini", f"data.source={data}"]
    run = locate(compose([*overrides, f"model.name={model}"]))
    cfg = run.cfg
    module = build_module(run)
    rows = build_data(run, packed=use_packing(cfg, module))
    if not (cfg.optimizer.weight_decay and cfg.optimizer.decay_to == "zero"):
        train_embedding_rows(module.model, torch.from_numpy(rows.vocabulary()))
    trainer: Any = SimpleNamespace(
        accumulate_grad_batches=1,
        estimated_stepping_batches=10_000,
        global_step=0,
        strategy=None,
        precision_plugin=Precision(),
        gradient_clip_val=None,
        gradient_clip_algorithm=None,
    )
    for callback in build_callbacks(cfg):
        if isinstance(callback, AddAdapters | Mixout | TrainPart):
            callback.setup(trainer, module, "fit")
    averaging = build_averaging(cfg)
    with mock.patch.object(GlueClassifier, "trainer", trainer):
        optimizer: torch.optim.Optimizer = module.configure_optimizers()["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = 1e-6  # the schedule starts at 0, where weight decay has nothing to do
    for callback in averaging:
        callback.setup(trainer, module, "fit")
    batches = cycle(list(islice(rows.train_dataloader(), 40)))

    def step() -> None:
        with mock.patch.object(GlueClassifier, "trainer", trainer):
            torch.autograd.backward(module.training_step(next(batches), 0)["loss"])
            module.on_after_backward()
            module.configure_gradient_clipping(optimizer, cfg.optimizer.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            trainer.global_step += 1
            for callback in averaging:
                callback.on_train_batch_end(trainer, module, None, None, 0)

    return step


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all methods and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.methods",
        description="Measure a training step of each method. Prints method, milliseconds per step, "
        "and the ratio to `standard`.",
    )
    parser.add_argument("data", help="folder with GLUE")
    parser.add_argument("model", help="folder of a BERT")
    parser.add_argument("task", nargs="?", default="rte", help="default: rte")
    args = parser.parse_args(argv)
    silence_libraries()
    keep_freed_memory()
    steps = {method: build_step(method, args.data, args.model, args.task) for method in METHODS}
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    for round_ in range(ROUNDS + 1):
        for method, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            if round_:  # the first warms up
                seconds[method].append((time.perf_counter() - start) / STEPS)
    for method, times in seconds.items():
        ratio = median(t / base for t, base in zip(times, seconds["standard"], strict=True))
        print(f"| {method} | {1000 * median(times):.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.methods"))
