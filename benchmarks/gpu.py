"""Measure training on a GPU in under ten minutes, without a network: `python -m benchmarks.gpu`.

BERTs of known shapes with random weights train on random words, in rows as long as those of GLUE.
Measured are, per shape and task: steps against Hugging Face's Trainer, with and without monitors;
the time in which kernels run, which the rest of a step spends on launching them; memory; one, two
and four workers on the device; and, per shape, the parity of packed with padded batches.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import bench
from benchmarks.synthetic import LENGTHS, write_synthetic_glue
from benchmarks.table import load_results, section
from stablebert.yaml_files import PACKAGE

CONTESTANTS = (
    *("hf_default_mixed", "hf_tuned_mixed", "ours_mixed", "ours_bare_mixed", "ours_packed_mixed"),
)
WORKERS = (1, 2, 4)
WORKER_TASK = "rte"


class GpuBench(bench.Bench):
    """Measurements of one shape.

    Args:
        args: Parsed command line of `benchmarks.bench`, with a shape.
        work: Temporary folder.
    """

    program = "benchmarks.gpu"

    def measure(self, tasks: Sequence[str]) -> None:
        """Measure everything and save the results of a task as soon as they are complete."""
        shape = self.args.shape
        parity = self.parity()
        progress = bench.Progress(len(tasks) * self.args.blocks * len(self.contestants))
        for task in tasks:
            *_, part = self.time_steps(task, progress)
            part["busy_seconds_per_step"] = self.busy_seconds(task)
            if task == WORKER_TASK or len(tasks) == 1:
                part["workers"] = {str(n): self.time_workers(task, n) for n in WORKERS}
            self.save("gpu", f"{shape} {task}", part | {"parity": parity}, merge=False)

    def parity(self) -> dict[str, Any]:
        """Return the differences of packed from padded batches; see `probes.measure_parity`."""
        with self.stop_children():
            settings = {"overrides": self.overrides(WORKER_TASK)}
            return self.start("probes.measure_parity", settings).receive()

    def busy_seconds(self, task: str) -> float:
        """Return the seconds per step of `ours_mixed` in which the device executes a kernel."""
        args = self.args
        total = args.warmup + args.steps + 1
        overrides = self.overrides(task, f"trainer.max_steps={total}", "trainer.evaluations=1")
        settings = {"overrides": overrides, "warmup": args.warmup, "steps": args.steps}
        with self.stop_children():
            child = self.start("probes.measure_busy_time", settings)
            return float(child.receive()["seconds_per_step"])

    def time_workers(self, task: str, count: int) -> dict[str, Any]:
        """Let workers train at the same time; return the seconds per step of all of them."""
        args = self.args
        total = args.warmup + args.blocks * args.steps + 1
        overrides = self.overrides(task, f"trainer.max_steps={total}", "trainer.evaluations=1")
        blocks = args.warmup, args.steps
        with self.stop_children():
            workers = [self.start_contestant("ours_mixed", overrides, blocks) for _ in range(count)]
            for worker in workers:
                worker.receive()
            times = []
            for _ in range(args.blocks):
                start = time.perf_counter()
                for worker in workers:
                    worker.resume()
                messages = [worker.receive() for worker in workers]
                times.append((time.perf_counter() - start) / (args.steps * count))
            memory = sum(message["peak_memory_bytes"] for message in messages)
            return {"seconds_per_step": times, "peak_memory_bytes": memory}


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Measure training on a GPU, without a network, and print one table. On a CPU, "
        "only --shape tiny takes minutes.",
    )
    add, shapes = parser.add_argument, ("tiny", "base", "large")
    add(
        "--shape",
        type=bench.comma_separated(shapes),
        default=("base", "large"),
        metavar="SHAPE,...",
        help=f"of {', '.join(shapes)} (default: base,large)",
    )
    add(
        "--tasks",
        type=bench.comma_separated([*LENGTHS]),
        default=tuple(LENGTHS),
        metavar="TASK,...",
        help=f"of {', '.join(LENGTHS)} (default: all)",
    )
    add("--blocks", type=int, default=3, help="blocks per contestant (default: 3)")
    add("--steps", type=int, default=20, help="optimizer steps per block (default: 20)")
    bench.add_common_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all shapes, write `<device>.json` and print its table."""
    args = parse_arguments(argv)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    with tempfile.TemporaryDirectory(prefix="stablebert-gpu-") as folder:
        work = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")
        tokenizer = PACKAGE / "demo/model"
        write_synthetic_glue(work / "glue", tokenizer)
        for shape in args.shape:
            (work / shape).mkdir()
            common = ["--shape", shape, "--data", str(work / "glue")]
            common += ["--blocks", str(args.blocks), "--steps", str(args.steps)]
            common += ["--contestants", ",".join(CONTESTANTS), "--out", str(args.out)]
            common += ["--model", str(tokenizer), "--threads", str(args.threads)]
            measurement = GpuBench(bench.parse_arguments(["steps", *common]), work / shape)
            measurement.measure(args.tasks)
        path = measurement.results_file("gpu")
    print(section(load_results(path), path.stem))
    print(f"results: {path}")


if __name__ == "__main__":
    main()
