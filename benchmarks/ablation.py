"""Measure what each optimization is worth: a training step without it, round-robin in one process.

Full precision, all cores; forward, backward, clipping and update; no Trainer. Keeping freed memory
cannot be undone within a process, so that measurement has its own process.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
from stablebert.signals import run_script
from stablebert.training.build import build_data, build_module
from stablebert.training.module import labels_of
from stablebert.training.quiet import silence_libraries

ROUNDS, STEPS = 6, 12
ABLATIONS = ("nothing", "packing", "gap-sampled dropout", "partial embeddings", "first tokens only")
"""Optimizations to remove, one at a time; see docs/performance.md."""


def draw_full_mask(self: DropoutMasks, n: int, p: float) -> torch.Tensor:
    """Return the indices of dropped elements, from a mask over all `n` drawn by torch."""
    return torch.empty(n).bernoulli_(p).nonzero()[:, 0]


def compute_all_tokens(*args: Any, first_only: bool) -> torch.Tensor:
    """Compute every token of a layer, even if the head reads only the first of each row."""
    out = original_block(*args, first_only=False)
    return out.index_select(0, args[2].starts) if first_only else out


original_block = packed._bert_block


@contextmanager
def without(ablation: str) -> Iterator[None]:
    """Disable an optimization that can be switched off after everything is built."""
    if ablation == "gap-sampled dropout":
        with mock.patch.object(DropoutMasks, "dropped_indices", draw_full_mask):
            yield
    elif ablation == "first tokens only":
        with mock.patch.object(packed, "_bert_block", compute_all_tokens):
            yield
    else:
        yield


def build_step(task: str, data: str, model: str, ablation: str) -> Callable[[], None]:
    """Build a run without an optimization and return a function that trains one step."""
    overrides = [f"task={task}", "scale=mini", f"data.source={data}", f"model.name={model}"]
    run = locate(compose(overrides))
    module = build_module(run)
    rows = build_data(run, packed=ablation != "packing")
    if ablation not in ("packing", "partial embeddings"):
        train_embedding_rows(module.model, torch.from_numpy(rows.vocabulary()))
    optimizer = BertAdam(parameter_groups(module.model, 0.0), lr=1e-6)
    loader = rows.train_dataloader()
    batches = iter([batch for _, batch in zip(range(ROUNDS * STEPS + 3), loader, strict=False)] * 2)

    def step() -> None:
        batch = next(batches)
        loss: torch.Tensor = fine_tuning_loss(module(batch), labels_of(batch))
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(task: str, data: str, model: str, ablations: Sequence[str]) -> dict[str, float]:
    """Return the median seconds of a step over all rounds, for each ablation."""
    steps = {ablation: build_step(task, data, model, ablation) for ablation in ablations}
    seconds: dict[str, list[float]] = {ablation: [] for ablation in ablations}
    for round_ in range(ROUNDS + 1):
        for ablation, step in steps.items():
            with without(ablation):
                start = time.perf_counter()
                for _ in range(STEPS if round_ else 3):
                    step()
                if round_:  # the first warms up
                    seconds[ablation].append((time.perf_counter() - start) / STEPS)
    return {ablation: median(times) for ablation, times in seconds.items()}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure task by task and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description="Measure a training step with one optimization at a time removed. Prints "
        "task, removed optimization, milliseconds per step, and the ratio to the full step.",
    )
    parser.add_argument("data", help="folder with GLUE")
    parser.add_argument("model", help="folder of a BERT")
    parser.add_argument("task", nargs="*", default=["cola", "rte"], help="default: cola rte")
    parser.add_argument(
        "--release-memory",
        action="store_true",
        help="measure only the full step, in a process that gives freed memory back, and print "
        "its seconds",
    )
    args = parser.parse_args(argv)
    if args.release_memory:
        for task in args.task:
            print(measure(task, args.data, args.model, ["nothing"])["nothing"])
        return
    silence_libraries()
    for task in args.task:
        itself = [sys.executable, "-m", "benchmarks.ablation", "--release-memory"]
        command = [*itself, args.data, args.model, task]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        keep_freed_memory()
        results = measure(task, args.data, args.model, ABLATIONS)
        results["keeping freed memory"] = float(output.split()[-1])
        for ablation, seconds in results.items():
            ratio = seconds / results["nothing"]
            print(f"| {task} | {ablation} | {1000 * seconds:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.ablation"))
