"""What a training step of each method costs beside one of `standard`, in turns, in one process.

    python -m benchmarks.methods DATA MODEL [TASK]

Forward, backward, clipping and update with the classes of a real run, without Trainer, monitors and
validation. `reinit`, `longer`, `intermediate` and `lp_ft` differ before training only; `mosbach` is
measured with its smaller batch.
"""

import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from statistics import median
from types import SimpleNamespace
from unittest import mock

import torch

from stablebert.callbacks import Mixout, TrainPart
from stablebert.config.compose import compose
from stablebert.machine import keep_freed_memory
from stablebert.models.surgery import train_embedding_rows
from stablebert.runs.locate import locate
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
    *("bitfit", "layernorm", "head_only"),
)


def stepper(method: str, data: str, model: str, task: str) -> Callable[[], None]:
    """A function that trains one step."""
    typed = [f"task={task}", f"method={method}", "scale=mini", f"data.source={data}"]
    located = locate(compose([*typed, f"model.name={model}"]))
    cfg = located.cfg
    module = build_module(located)
    rows = build_data(located, packed=use_packing(cfg, module))
    if not (cfg.optimizer.weight_decay and cfg.optimizer.decay_to == "zero"):
        train_embedding_rows(module.model, torch.from_numpy(rows.vocabulary()))
    for callback in build_callbacks(cfg):
        if isinstance(callback, Mixout | TrainPart):
            callback.setup(None, module, "fit")
    averaging = build_averaging(cfg)
    trainer = SimpleNamespace(
        accumulate_grad_batches=1, estimated_stepping_batches=10_000, global_step=0
    )
    with mock.patch.object(GlueClassifier, "trainer", trainer):
        optimizer = module.configure_optimizers()["optimizer"]
    for group in optimizer.param_groups:
        group["lr"] = 1e-6  # the schedule starts at 0, at which a decay has nothing to do
    for callback in averaging:
        callback.setup(trainer, module, "fit")
    batches = cycle(list(islice(rows.train_dataloader(), 40)))

    def step() -> None:
        with mock.patch.object(GlueClassifier, "trainer", trainer):
            module.training_step(next(batches), 0).backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            trainer.global_step += 1
            for callback in averaging:
                callback.on_train_batch_end(trainer, module, None, None, 0)

    return step


def main() -> None:
    """Measure all and print a table."""
    data, model, *task = sys.argv[1:]
    silence_libraries()
    keep_freed_memory()
    steppers = {method: stepper(method, data, model, *(task or ["rte"])) for method in METHODS}
    spent: dict[str, list[float]] = {method: [] for method in METHODS}
    for round_ in range(ROUNDS + 1):
        for method, step in steppers.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            if round_:  # the first warms up
                spent[method].append((time.perf_counter() - start) / STEPS)
    for method, times in spent.items():
        ratio = median(t / base for t, base in zip(times, spent["standard"], strict=True))
        print(f"| {method} | {1000 * median(times):.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
