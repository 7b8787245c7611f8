"""Write the tables from the JSON files alone: `python -m benchmarks.table results/bench`."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from stablebert.runs.files import write_text
from stablebert.signals import run_script
from stablebert.text import count_of

HEAD = """# Speed against the alternatives

`make bench` generates this page from the files next to it; do not edit it. The contestants are
defined in [benchmarks/contestants.py](../../benchmarks/contestants.py), and the share of the
machine's matrix-product rate in [benchmarks/roofline.py](../../benchmarks/roofline.py). Ranges in
parentheses are over blocks.
"""


def load_results(path: Path) -> dict[str, Any]:
    """Load the results in a file."""
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def write_tables(folder: Path) -> None:
    """Write README.md from all results in a folder."""
    sections = [section(load_results(path), path.stem) for path in sorted(folder.glob("*.json"))]
    write_text(folder / "README.md", "\n".join([HEAD, *sections]))


def section(results: dict[str, Any], title: str) -> str:
    """Return the results of a file in Markdown."""
    machine, tasks = results["machine"], results["tasks"]
    tables = {
        "steps": (step_rows, rate_rows),
        "runs": (run_rows,),
        "roofline": (rate_rows,),
        "gpu": (step_rows, device_rows, parity_rows, rate_rows),
    }
    threads = count_of(machine["threads"], "thread")
    lines = [f"## {title}", "", f"{machine['device']}, {threads}.", ""]
    for rows in tables[results["mode"]]:
        lines += [*rows(tasks), ""]
    origins: dict[str, list[str]] = {}
    for task, part in tasks.items():
        versions = ", ".join(f"{k} {v}" for k, v in part["versions"].items())
        text = f"{part['date']}, model {part['model']}: `{part['command']}` ({versions})"
        origins.setdefault(text, []).append(task)
    lines += [f"* {', '.join(names)}: {text}" for text, names in origins.items()]
    return "\n".join([*lines, ""])


def table_row(*cells: Any) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def table_head(*titles: str) -> list[str]:
    """Return the first two lines of a table."""
    return [table_row(*titles), table_row(*["---"] * len(titles))]


def format_ratio(ours: list[float], other: list[float]) -> str:
    """Return the ratio of the medians with the range of the ratios per block."""
    ratios = [a / b for a, b in zip(ours, other, strict=False)]
    return f"{median(ours) / median(other):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"


def rate_key(contestant: str) -> str:
    """Return the key of the matrix-product rates at the contestant's precision."""
    return "mixed" if contestant.endswith("_mixed") else "full"


def step_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Yield the table of seconds per step."""
    yield from table_head(
        *("task", "contestant", "ms/step: median (range)", "ours / this one"),
        *("share of the rate, at its shapes", "at a large square", "peak MB"),
    )
    for task, part in tasks.items():
        for name, row in part["contestants"].items():
            seconds = row["seconds_per_step"]
            if not seconds:
                continue
            low, middle, high = (1000 * f(seconds) for f in (min, median, max))
            kind = name.removesuffix("_mixed")
            mine = part["contestants"].get("ours" + name.removeprefix(kind), {})
            mine = mine.get("seconds_per_step")
            shares = [
                part["batches"]["operations"] / median(seconds) / _rate(part, rate_key(name), where)
                for where in ("model", "square")
            ]
            yield table_row(
                *(task, name, f"{middle:.1f} ({low:.1f}-{high:.1f})"),
                format_ratio(mine, seconds) if mine and kind != "ours" else "",
                *(f"{100 * share:.0f}%" for share in shares),
                round(row["peak_memory_bytes"] / 1e6),
            )


def _rate(part: dict[str, Any], dtype: str, where: str) -> float:
    return float(median(rates[dtype][where] for rates in part["rates"]))


def rate_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Yield the table of the batches' tokens and the machine's matrix-product rates."""
    yield from table_head(
        *("task", "real tokens", "padded to longest", "to 128", "Gop per step"),
        *("fp32 Gop/s, model's shapes", "square", "half precision, model's shapes", "square"),
    )
    for task, part in tasks.items():
        batches = part["batches"]
        rates = [_rate(part, d, where) for d in ("full", "mixed") for where in ("model", "square")]
        yield table_row(
            task,
            *(batches[k] for k in ("real_tokens", "padded_to_longest", "padded_to_max")),
            *(f"{number / 1e9:.1f}" for number in (batches["operations"], *rates)),
        )


def device_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Yield the table of the device's idle time and of several workers on it."""
    yield from table_head(
        *("task", "ms/step", "of which in kernels", "launch overhead"),
        *("workers: steps/s of all of them, GB",),
    )
    for task, part in tasks.items():
        step = median(part["contestants"]["ours_mixed"]["seconds_per_step"])
        busy = part["busy_seconds_per_step"]
        yield table_row(
            *(task, f"{1000 * step:.1f}", f"{1000 * busy:.1f}"),
            f"{100 * max(0.0, 1 - busy / step):.0f}%",
            "; ".join(
                f"{n}: {1 / median(row['seconds_per_step']):.1f}, "
                f"{row['peak_memory_bytes'] / 1e9:.1f}"
                for n, row in part.get("workers", {}).items()
            ),
        )


def parity_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Yield the table of differences from padded batches in float32, relative to the largest."""
    paths = ("packed", "padded")
    yield from table_head(
        *("shape", "precision"),
        *(f"{name}, {path}" for name in ("logits", "gradients") for path in paths),
    )
    shapes = {task.split()[0]: part["parity"] for task, part in tasks.items()}
    for shape, precisions in shapes.items():
        for precision in ("32-true", "16-mixed", "bf16-mixed"):
            row = precisions[precision]
            numbers = (row[path][name] for name in ("logits", "gradients") for path in paths)
            yield table_row(shape, precision, *(f"{number:.1e}" for number in numbers))


def run_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Yield the table of seconds per run and scores."""
    yield from table_head(
        *("task", "contestant", "s/run", "ours / this one", "evaluations"),
        *("val best", "test at best", "test at last", "peak MB"),
    )
    for task, part in tasks.items():
        for name, row in part["contestants"].items():
            kind = name.removesuffix("_mixed")
            mine = part["contestants"].get("ours" + name.removeprefix(kind))
            scores = [row[k] for k in ("val_best", "test_at_best", "test_at_last")]
            yield table_row(
                *(f"{task} ({row['metric']})", name, f"{row['seconds']:.1f}"),
                f"{mine['seconds'] / row['seconds']:.3f}" if mine and kind != "ours" else "",
                row["evaluations"],
                *("-" if score is None else f"{100 * score:.1f}" for score in scores),
                round(row["peak_memory_bytes"] / 1e6),
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.table",
        description="Rewrite README.md from the JSON files of benchmark results in a folder.",
    )
    parser.add_argument("folder", type=Path, help="folder of the results, such as results/bench")
    write_tables(parser.parse_args(argv).folder)


if __name__ == "__main__":
    sys.exit(run_script(main, name="python -m benchmarks.table"))
