"""Selection of a hyperparameter by mean validation score, as in the paper's Sections 5 and 6."""

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stablebert.config.files import load_conf, load_entries
from stablebert.config.schema import RunConfig
from stablebert.config.serialize import flat_values
from stablebert.errors import ConfigError
from stablebert.report.cells import Cell, describe_cell, varying_parameters
from stablebert.report.join import CellResult, join_records
from stablebert.report.records import ReportError
from stablebert.runs.files import write_text
from stablebert.runs.record import RunRecord
from stablebert.runs.seeds import Seeds, format_seeds, parse_seeds
from stablebert.text import count_of

SELECTABLE = ("reinit.num_layers", "trainer.max_steps")
"""Keys that `conf/selected.yaml` can hold: the depth of re-initialization, and the number of steps
that `length=longer` means."""


def write_selection(
    cells: Sequence[Cell], records: Iterable[RunRecord], *, sweep: str, command: str, path: Path
) -> list[str]:
    """Write the best value for every task and method to `conf/selected.yaml`, with provenance.

    The best value has the highest mean, over the sweep's seeds, of a run's best validation score;
    of equal means the smallest value counts.

    Args:
        cells: Cells of a sweep that varies one of `SELECTABLE`.
        records: Finished runs.
        sweep: Name of the sweep.
        command: Command that trains its missing runs, for messages.
        path: The file; its entries for other scales, tasks, and methods stay.

    Returns:
        One line per selected value.

    Raises:
        ReportError: If the sweep varies none or several of `SELECTABLE`, varies another parameter,
            or lacks runs.
    """
    key = _searched_key(cells, sweep)
    results = join_records(cells, records).results
    incomplete = [result for result in results if result.missing]
    if incomplete:
        runs = sum(len(result.missing) for result in incomplete)
        raise ReportError(
            f"{sweep}: {count_of(runs, 'run')} missing in {len(incomplete)} of "
            f"{count_of(len(results), 'cell')}; run them first with `{command}`"
        )
    if pruned := [describe_cell(result.cell) for result in results if result.pruned]:
        raise ReportError(
            f"{sweep}: seeds selected by validation (seed pruning) in {', '.join(pruned)}; run all "
            f"seeds with `{command}`, without --prune"
        )
    groups: dict[tuple[str, str, str], list[CellResult]] = {}
    for result in results:
        cell = result.cell
        groups.setdefault((cell.scale, cell.task, cell.method), []).append(result)
    header, selection = _read_selection(path)
    lines = []
    for (scale, task, method), group in groups.items():
        entry = selection.setdefault(scale, {}).setdefault(task, {}).setdefault(method, {})
        line = _select_value(entry, key, group, sweep)
        lines.append(f"{scale} {task} {method}: {line}")
    write_text(path, header + yaml.safe_dump(selection, sort_keys=False))
    return lines


def count_compared_values(
    cfg: RunConfig, seeds: Iterable[Seeds], explicit: Container[str] = ()
) -> int:
    """Return among how many values `conf/selected.yaml` chose those of a configuration.

    Only a selection that used some of the same seeds counts: after one on other seeds, a value is
    like any that was fixed before the runs.

    Args:
        cfg: The configuration.
        seeds: Its seeds.
        explicit: Keys whose value is not from that file.

    Raises:
        ConfigError: If the file does not say from which values and seeds it chose.
    """
    tasks = load_conf("selected").get(cfg.scale, {}).get(cfg.task, {})
    values = flat_values(cfg)
    count = 1
    for method in {cfg.method, *cfg.method.split("+")}:
        for key, origin in tasks.get(method, {}).get("provenance", {}).items():
            try:
                used_seeds, means = _parse_origin(key, origin)
            except (KeyError, TypeError, ValueError):
                place = f"conf/selected.yaml: {cfg.scale} {cfg.task} {method} provenance {key}"
                advice = "delete it, then repeat `stablebert select`"
                raise ConfigError([f"{place} is damaged, got {origin}; {advice}"]) from None
            shares_seeds = used_seeds is None or not used_seeds.isdisjoint(seeds)
            if key not in explicit and shares_seeds and str(values[key]) in means:
                count *= len(means)
    return count


def _parse_origin(key: str, origin: Mapping[str, Any]) -> tuple[set[Seeds] | None, dict[str, Any]]:
    """Return the seeds of a selection, None if the file is older, and the mean score by value."""
    seeds, means = origin["seeds"], origin["mean_val"]
    if key not in SELECTABLE or type(means) is not dict:
        raise ValueError(key)
    # older files have only the number of seeds
    return None if type(seeds) is int else parse_seeds(str(seeds)), means


def _searched_key(cells: Sequence[Cell], sweep: str) -> str:
    keys = sorted({key for cell in cells for key in cell.params} & set(SELECTABLE))
    if len(keys) != 1:
        raise ReportError(
            f"{sweep} varies {' and '.join(keys) or 'nothing that can be selected'}; "
            f"`stablebert select` needs a sweep of exactly one of {', '.join(SELECTABLE)}"
        )
    other_keys = sorted(set(varying_parameters(cells)) - {"scale", keys[0]})
    if len({cell.length for cell in cells}) > 1:
        other_keys.append("length")
    if other_keys:
        raise ReportError(
            f"{sweep} varies {', '.join(other_keys)} besides {keys[0]}; narrow it to one value "
            f"with {other_keys[0]}=VALUE"
        )
    return keys[0]


def _select_value(entry: dict[str, Any], key: str, group: Sequence[CellResult], sweep: str) -> str:
    """Enter the best value of a task and method, and return a line about it."""
    results = sorted(group, key=lambda result: int(str(result.cell.params[key])))
    values = [int(str(result.cell.params[key])) for result in results]
    means = [float(np.mean(result.val)) for result in results]
    best = int(np.argmax(means))  # the first, and so the smallest, of equal means
    if key == "trainer.max_steps":
        entry.setdefault("per_length", {})["longer"] = {"trainer": {"max_steps": values[best]}}
    else:
        entry["reinit"] = {"num_layers": values[best]}
    entry.setdefault("provenance", {})[key] = {
        "sweep": sweep,
        "seeds": format_seeds(results[best].cell.seeds),
        "mean_val": {str(v): round(m, 2) for v, m in zip(values, means, strict=True)},
        "config_id": results[best].cell.config_id,
    }
    scores = ", ".join(f"{v}: {m:.2f}" for v, m in zip(values, means, strict=True))
    return f"{key}={values[best]} (mean validation scores {scores})"


def _read_selection(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the comment at the head of the file, and the content."""
    text = path.read_text(encoding="utf-8")
    comment = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    return "".join(comment), load_entries(path)
