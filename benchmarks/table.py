"""The tables, from the JSON files and nothing else: `python -m benchmarks.table results/bench`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from stablebert.runs.files import write_text

HEAD = """# Speed against the alternatives

`make bench` generates this page from the files next to it; do not edit it. The contestants are
defined in [benchmarks/contestants.py](../../benchmarks/contestants.py), and the share of the
machine's matrix-product rate in [benchmarks/roofline.py](../../benchmarks/roofline.py). Ranges in
parentheses are over blocks.
"""


def load(path: Path) -> dict[str, Any]:
    """The results in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_tables(folder: Path) -> None:
    """Write README.md from all results in a folder."""
    sections = [section(load(path), path.stem) for path in sorted(folder.glob("*.json"))]
    write_text(folder / "README.md", "\n".join([HEAD, *sections]))


def section(found: dict[str, Any], name: str) -> str:
    """A file's results in Markdown."""
    machine, tasks = found["machine"], found["tasks"]
    rows = {"steps": step_rows, "runs": run_rows, "roofline": rate_rows}[found["mode"]]
    lines = [f"## {name}", "", f"{machine['device']}, {machine['threads']} threads.", ""]
    lines += [*rows(tasks), ""]
    if found["mode"] == "steps":
        lines += [*rate_rows(tasks), ""]
    origins: dict[str, list[str]] = {}
    for task, part in tasks.items():
        versions = ", ".join(f"{k} {v}" for k, v in part["versions"].items())
        text = f"{part['date']}, model {part['model']}: `{part['command']}` ({versions})"
        origins.setdefault(text, []).append(task)
    lines += [f"* {', '.join(names)}: {text}" for text, names in origins.items()]
    return "\n".join([*lines, ""])


def line(*cells: Any) -> str:
    """A row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def table(*titles: str) -> list[str]:
    """The head of a table."""
    return [line(*titles), line(*["---"] * len(titles))]


def ratio(ours: list[float], other: list[float]) -> str:
    """Of the medians, with the range of the blockwise ratios."""
    each = [a / b for a, b in zip(ours, other, strict=False)]
    return f"{median(ours) / median(other):.3f} ({min(each):.3f}-{max(each):.3f})"


def precision(contestant: str) -> str:
    """Under which key its matrix-product rates stand."""
    return "mixed" if contestant.endswith("_mixed") else "full"


def step_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Seconds per step."""
    yield from table(
        *("task", "contestant", "ms/step: median (range)", "ours / this one"),
        *("share of the rate, at its shapes", "at a large square", "peak MB"),
    )
    for task, part in tasks.items():
        for name, row in part["contestants"].items():
            spent = row["seconds_per_step"]
            if not spent:
                continue
            low, middle, high = (1000 * f(spent) for f in (min, median, max))
            kind = name.removesuffix("_mixed")
            mine = part["contestants"].get("ours" + name.removeprefix(kind), {})
            mine = mine.get("seconds_per_step")
            shares = [
                part["batches"]["operations"] / median(spent) / _rate(part, precision(name), where)
                for where in ("model", "square")
            ]
            yield line(
                *(task, name, f"{middle:.1f} ({low:.1f}-{high:.1f})"),
                ratio(mine, spent) if mine and kind != "ours" else "",
                *(f"{100 * share:.0f} %" for share in shares),
                round(row["peak_memory_bytes"] / 1e6),
            )


def _rate(part: dict[str, Any], dtype: str, where: str) -> float:
    return median(rates[dtype][where] for rates in part["rates"])


def rate_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """What the batches hold and what the machine multiplies."""
    yield from table(
        *("task", "real tokens", "padded to longest", "to 128", "Gop per step"),
        *("fp32 Gop/s, model's shapes", "square", "half precision, model's shapes", "square"),
    )
    for task, part in tasks.items():
        batches = part["batches"]
        rates = [_rate(part, d, where) for d in ("full", "mixed") for where in ("model", "square")]
        yield line(
            task,
            *(batches[k] for k in ("real_tokens", "padded_to_longest", "padded_to_max")),
            *(f"{number / 1e9:.1f}" for number in (batches["operations"], *rates)),
        )


def run_rows(tasks: dict[str, Any]) -> Iterator[str]:
    """Seconds per run, and scores."""
    yield from table(
        *("task", "contestant", "s/run", "ours / this one", "evaluations"),
        *("val best", "test at best", "test at last", "peak MB"),
    )
    for task, part in tasks.items():
        for name, row in part["contestants"].items():
            kind = name.removesuffix("_mixed")
            mine = part["contestants"].get("ours" + name.removeprefix(kind))
            scores = [row[k] for k in ("val_best", "test_at_best", "test_at_last")]
            yield line(
                *(f"{task} ({row['metric']})", name, f"{row['seconds']:.1f}"),
                f"{mine['seconds'] / row['seconds']:.3f}" if mine and kind != "ours" else "",
                row["evaluations"],
                *("-" if score is None else f"{100 * score:.1f}" for score in scores),
                round(row["peak_memory_bytes"] / 1e6),
            )


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]))
