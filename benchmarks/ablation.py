"""What each gain is worth: a training step with one of them taken away, in turns, in one process.

    python -m benchmarks.ablation DATA MODEL [TASK ...]

Full precision, all cores, forward, backward, clipping and update; no Trainer. Keeping freed memory
cannot be taken away again within a process, so it has a process of its own each way.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from unittest import mock

import torch

from stablebert.config.compose import compose
from stablebert.losses import fine_tuning_loss
from stablebert.machine import keep_freed_memory
from stablebert.models.surgery import train_embedding_rows
from stablebert.optim.adam import BertAdam
from stablebert.optim.groups import parameter_groups
from stablebert.packed import forward as packed
from stablebert.packed.dropout import DropoutMasks
from stablebert.runs.locate import locate
from stablebert.training.build import build_data, build_module
from stablebert.training.module import labels_of
from stablebert.training.quiet import silence_libraries

ROUNDS, STEPS = 6, 12
TAKEN_AWAY = ("nothing", "packing", "dropout by gaps", "embeddings in part", "first tokens only")


def mask_drawn(self: DropoutMasks, n: int, p: float) -> torch.Tensor:
    """Dropped elements from a mask over all, drawn by torch."""
    return torch.empty(n).bernoulli_(p).nonzero()[:, 0]


def all_tokens(*args: Any, first: bool, **kwargs: Any) -> torch.Tensor:
    """A layer that computes every token, of which the head then reads the first ones."""
    out = whole_block(*args, first=False, **kwargs)
    return out.index_select(0, args[2].starts) if first else out


whole_block = packed._bert_block


@contextmanager
def without(what: str) -> Iterator[None]:
    """Take a gain away that is not a matter of how things are built."""
    if what == "dropout by gaps":
        with mock.patch.object(DropoutMasks, "dropped_indices", mask_drawn):
            yield
    elif what == "first tokens only":
        with mock.patch.object(packed, "_bert_block", all_tokens):
            yield
    else:
        yield


def stepper(task: str, data: str, model: str, what: str) -> Callable[[], None]:
    """A function that trains one step."""
    words = [f"task={task}", "scale=mini", f"data.source={data}", f"model.name={model}"]
    located = locate(compose(words))
    module = build_module(located)
    rows = build_data(located, packed=what != "packing")
    if what not in ("packing", "embeddings in part"):
        train_embedding_rows(module.model, torch.from_numpy(rows.vocabulary()))
    optimizer = BertAdam(parameter_groups(module.model, 0.0), lr=1e-6)
    loader = rows.train_dataloader()
    batches = iter([batch for _, batch in zip(range(ROUNDS * STEPS + 3), loader, strict=False)] * 2)

    def step() -> None:
        batch = next(batches)
        fine_tuning_loss(module(batch), labels_of(batch)).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(task: str, data: str, model: str, kinds: tuple[str, ...]) -> dict[str, float]:
    """Median seconds of a step over all rounds, by what was taken away."""
    steppers = {what: stepper(task, data, model, what) for what in kinds}
    spent: dict[str, list[float]] = {what: [] for what in kinds}
    for round_ in range(ROUNDS + 1):
        for what, step in steppers.items():
            with without(what):
                start = time.perf_counter()
                for _ in range(STEPS if round_ else 3):
                    step()
                if round_:  # the first warms up
                    spent[what].append((time.perf_counter() - start) / STEPS)
    return {what: median(times) for what, times in spent.items()}


def main() -> None:
    """Measure all, task by task, and print a table."""
    data, model, *tasks = sys.argv[1:]
    if tasks[:1] == ["--memory"]:  # the process without it
        print(measure(tasks[1], data, model, ("nothing",))["nothing"])
        return
    silence_libraries()
    for task in tasks or ["cola", "rte"]:
        alone = [sys.executable, "-m", "benchmarks.ablation", data, model, "--memory", task]
        released = subprocess.run(alone, check=True, capture_output=True, text=True).stdout
        keep_freed_memory()
        found = measure(task, data, model, TAKEN_AWAY)
        found["freed memory kept"] = float(released.split()[-1])
        for what, seconds in found.items():
            ratio = seconds / found["nothing"]
            print(f"| {task} | {what} | {1000 * seconds:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
