"""The contestants: each trains the same model on the same batches in its own process.

| name | description |
| --- | --- |
| `released` | the paper's released recipe: a plain loop, all rows padded to 128, eager attention |
| `hf_default` | Hugging Face's Trainer, used as `run_glue.py` does with the documented flags |
| `hf_tuned` | the same Trainer tuned: dynamic padding, no checkpoints, larger evaluation batches |
| `ours` | `stablebert.training.lifecycle.train_run` with all monitors |
| `ours_bare` | the same without the monitors of bias ratio and weight change |
| `ours_packed` | ours without capturing steps as CUDA graphs; on a CPU the same as `ours` |

With `_mixed` appended to its name a contestant trains in mixed precision: fp16 on a GPU, bf16 on a
CPU. All take their data, batch size, rates, clipping and steps from one of our configurations.
A contestant is a function that prepares everything and returns the training, so that only the
training is timed. A process imports nothing that only another contestant needs, because that would
count as its memory.
"""

import importlib
import math
import os
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.contest import Contest, Scores

CONTESTANTS = {
    "released": "released",
    "hf_default": "hugging_face",
    "hf_tuned": "hugging_face",
    "ours": "ours",
    "ours_bare": "ours",
    "ours_packed": "ours",
}
"""Module of each contestant, whose function has the contestant's name."""


def load_contestant(kind: str) -> Callable[["Contest"], Callable[[], "Scores"]]:
    """Import a contestant, given its name without `_mixed`."""
    module = importlib.import_module(f"benchmarks.{CONTESTANTS[kind]}")
    contestant: Callable[[Contest], Callable[[], Scores]] = getattr(module, kind)
    return contestant


def compete(
    pipe: Connection,
    work: Path,
    *,
    contestant: str,
    overrides: list[str],
    blocks: tuple[int, int] | None,
) -> None:
    """Train as a contestant and send the time of each block, or of the whole run with its scores.

    Args:
        pipe: Connection to the parent.
        work: Temporary folder of this process.
        contestant: Name of the contestant.
        overrides: Configuration, without precision and folder of records.
        blocks: Steps of the warm-up and of a block; None trains to the end.
    """
    from benchmarks.contest import DEVICE, ON_CUDA, Contest, Gate
    from stablebert.config.compose import compose
    from stablebert.runs.locate import locate
    from stablebert.training.outcome import peak_memory

    try:
        kind, mixed = contestant.removesuffix("_mixed"), contestant.endswith("_mixed")
        precision = ("16-mixed" if ON_CUDA else "bf16-mixed") if mixed else "32-true"
        own = [f"trainer.precision={precision}", f"paths.runs={work / 'runs'}"]
        if kind == "ours_bare":
            own += ["monitor.bias_ratio=false", "monitor.weight_change=false"]
        if kind == "ours_packed":
            own.append("trainer.packing=packed")
        run = locate(compose([*overrides, *own]))
        gate = Gate(pipe, warmup=blocks[0], steps=blocks[1]) if blocks else None
        train = load_contestant(kind)(Contest(run, mixed, work, gate))
        start = time.perf_counter()
        scores = train()
        seconds = time.perf_counter() - start
        # JSON has no NaN
        scores = {k: None if v is None or math.isnan(v) else v for k, v in scores.items()}
        pipe.send({"seconds": seconds, "peak_memory_bytes": peak_memory(DEVICE), **scores})
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


def describe_machine(pipe: Connection, work: Path) -> None:
    """Send a description of the machine and the versions of the packages.

    Args:
        pipe: Connection to the parent.
        work: Temporary folder of this process; unused.
    """
    from importlib.metadata import version

    import torch

    from benchmarks.contest import DEVICE, ON_CUDA
    from stablebert.training.outcome import device_name
    from stablebert.version import versions

    message: dict[str, Any] = {
        "device": device_name(DEVICE),
        "cuda": ON_CUDA,
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "versions": versions() | {"accelerate": version("accelerate")},
    }
    pipe.send(message)
