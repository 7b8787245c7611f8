"""Settings of a table's methods from separate searches: the best by validation score."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stablebert.config.sweep import Sweep, read_sweep
from stablebert.report.cells import Cell, task_title, varying_parameters
from stablebert.report.join import CellResult, join_records
from stablebert.runs.record import RunRecord
from stablebert.text import count_of

SEARCHES = {"table2": ("llrd", "mixout", "pretrained_wd", "wd")}
"""Sweeps that search the settings of a table's methods (the paper's Appendix H)."""
_OWN = ("method", "length")


def search_sweeps(table: Sweep) -> list[Sweep]:
    """Return the sweeps that search settings for a table, narrowed to its tasks, seeds, and so on.

    Raises:
        ConfigError: If a sweep file is missing or invalid.
    """
    overrides = [f"{k}={','.join(v)}" for k, v in table.parameters.items() if k not in _OWN]
    methods = table.parameters.get("method", ())
    names = [name for name in SEARCHES.get(table.name, ()) if name in methods]
    return [read_sweep(name).narrow(overrides) for name in names]


def best_of_search(
    cells: Sequence[Cell], candidates: Sequence[Cell], records: Iterable[RunRecord]
) -> tuple[list[Cell], list[str]]:
    """Replace each cell with the setting of its method with the highest mean validation score.

    Only settings with all their seeds take part, the table's own among them. The cell's own
    setting stays if there is none. A selected cell has the number of settings of its search, and
    of those that lack runs, on which verdicts depend; a search without runs is none.

    Args:
        cells: Cells of the table.
        candidates: Cells of the searches; of those with the same configuration one counts.
        records: Records of both.

    Returns:
        The cells, and one line per selected setting.
    """
    results = join_records([*candidates, *cells], records).results
    searched, own_results = results[: len(candidates)], results[len(candidates) :]
    keys = varying_parameters(candidates)
    best_cells, notes = [], []
    for own in own_results:
        cell = own.cell
        candidates_of_cell = [r for r in searched if r.cell.identity == cell.identity]
        if not candidates_of_cell:
            best_cells.append(cell)
            continue
        settings = {r.cell.config_id: r for r in [*candidates_of_cell, own]}
        complete_results = [r for r in settings.values() if r.is_complete]
        best = max(complete_results, key=lambda r: r.val.mean(), default=own)
        has_search = any(r.n for r in settings.values() if r is not own)
        best_cells.append(
            replace(
                best.cell,
                params=cell.params,
                settings=len(settings) if has_search else 1,
                open_settings=len(settings) - len(complete_results) if has_search else 0,
            )
        )
        setting = _describe_setting(best.cell, [r.cell for r in candidates_of_cell], keys)
        notes.append(_describe_choice(best, setting, len(complete_results), len(settings)))
    return best_cells, notes


def _describe_setting(cell: Cell, settings: Sequence[Cell], keys: Sequence[str]) -> str:
    own = next((c for c in settings if c.config_id == cell.config_id), cell)
    setting = " ".join(f"{key}={own.params[key]}" for key in keys if key in own.params)
    return setting or "the setting in conf/methods.yaml"


def _describe_choice(best: CellResult, setting: str, complete: int, total: int) -> str:
    name = f"{task_title(best.cell.task, best.cell.scale)} {best.cell.method}"
    score = f"mean validation score {best.val.mean():.1f}" if best.n else "no runs yet"
    if complete:
        reason = f"best of {count_of(complete, 'setting')} with all seeds ({total} in total)"
    else:
        reason = f"none of {count_of(total, 'setting')} has all seeds"
    return f"{name}: {setting}, {score}, {reason}"
