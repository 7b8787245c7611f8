"""Choose a hyper-parameter by mean validation score, as the paper does (Sections 5 and 6)."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stablebert.report import Cell, ReportError
from stablebert.report.cells import Summary, join, varying
from stablebert.runs.files import write_text
from stablebert.runs.record import RunRecord

SEARCHED = ("reinit.num_layers", "trainer.max_steps")
"""What `conf/selected.yaml` can hold: a depth; a step count, which `length=longer` then means."""


def select(
    cells: Sequence[Cell], records: Iterable[RunRecord], *, sweep: str, path: Path
) -> list[str]:
    """Write the winner of every task and method to `conf/selected.yaml`, with its provenance.

    The winner has the highest mean of the best validation scores over the sweep's seeds; of equals
    the smallest value.

    Args:
        cells: of a sweep with values of one of `SEARCHED`.
        records: finished runs.
        sweep: its name.
        path: the file; what it holds of other scales, tasks and methods stays.

    Returns:
        A line per winner.

    Raises:
        ReportError: the sweep searches nothing, or runs are missing.
    """
    keys = {key for cell in cells for key in cell.params} & set(SEARCHED)
    if len(keys) != 1:
        raise ReportError(f"{sweep} searches {sorted(keys) or 'nothing'}; one of {SEARCHED}")
    (key,) = keys
    others = set(varying(cells)) - {"scale", "task", "method", key}
    if others:
        raise ReportError(f"{sweep} varies {sorted(others)} besides {key}: narrow it to one value")
    summaries = join(cells, records).summaries
    missing = [s for s in summaries if s.missing]
    if missing:
        runs = sum(len(s.missing) for s in missing)
        raise ReportError(f"{sweep}: {runs} runs are missing in {len(missing)} of its cells")
    groups: dict[tuple[str, str, str], list[Summary]] = {}
    for summary in summaries:
        cell = summary.cell
        groups.setdefault((cell.scale, cell.task, cell.method), []).append(summary)

    header, chosen = _read(path)
    lines = []
    for (scale, task, method), group in groups.items():
        ordered = sorted(group, key=lambda s: int(str(s.cell.params[key])))
        means = [float(np.mean(s.val)) for s in ordered]
        best = int(np.argmax(means))  # the first of equals
        value = int(str(ordered[best].cell.params[key]))
        entry = chosen.setdefault(scale, {}).setdefault(task, {}).setdefault(method, {})
        if key == "trainer.max_steps":
            entry.setdefault("per_length", {})["longer"] = {"trainer": {"max_steps": value}}
        else:
            entry["reinit"] = {"num_layers": value}
        tried = {int(str(s.cell.params[key])): m for s, m in zip(ordered, means, strict=True)}
        entry.setdefault("provenance", {})[key] = {
            "sweep": sweep,
            "seeds": len(ordered[best].records),
            "mean_val": {str(k): round(m, 2) for k, m in tried.items()},
            "config_id": ordered[best].cell.config_id,
        }
        shown = ", ".join(f"{k}: {m:.2f}" for k, m in tried.items())
        lines.append(f"{scale} {task} {method}: {key}={value} (mean val {shown})")
    write_text(path, header + yaml.safe_dump(chosen, sort_keys=False))
    return lines


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    """The comment that heads the file, and what it holds."""
    text = path.read_text(encoding="utf-8")
    comment = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    return "".join(comment), yaml.safe_load(text) or {}
