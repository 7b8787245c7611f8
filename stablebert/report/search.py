"""Of each method the setting that validates best, where a table has its searches elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stablebert.config.sweep import Sweep, read_sweep
from stablebert.report.cells import Cell, Summary, join, title, varying
from stablebert.runs.record import RunRecord

SEARCHES = {"table2": ("llrd", "mixout", "pretrained_wd", "wd")}
"""Sweeps of Appendix H, by the table whose settings they search."""
_OWN = ("method", "length")


def searches(table: Sweep) -> list[Sweep]:
    """The sweeps that search a table's settings, on its tasks, seeds and whatever else it fixes.

    Raises:
        ConfigError: a sweep file that is missing or makes no sense.
    """
    same = [f"{k}={','.join(v)}" for k, v in table.parameters.items() if k not in _OWN]
    methods = table.parameters.get("method", ())
    names = [name for name in SEARCHES.get(table.name, ()) if name in methods]
    return [read_sweep(name).narrow(same) for name in names]


def pick(
    cells: Sequence[Cell], searched: Sequence[Cell], records: Iterable[RunRecord]
) -> tuple[list[Cell], list[str]]:
    """Put in the place of each cell the setting of its method with the highest mean validation.

    Only settings with all their seeds take part, the table's own among them.

    Args:
        cells: of the table.
        searched: of the searches; a cell that the table has too counts once.
        records: what was found.

    Returns:
        The cells, and a line on each choice.
    """
    found = {s.cell.config_id: s for s in join([*searched, *cells], records).summaries}
    labels = varying(searched)
    chosen, said = [], []
    for cell in cells:
        settings = [c for c in searched if _kind(c) == _kind(cell)]
        if not settings:
            chosen.append(cell)
            continue
        tried = {c.config_id: found[c.config_id] for c in [*settings, cell]}
        whole = [s for s in tried.values() if s.n and not s.missing]
        best = max(whole, key=lambda s: s.val.mean(), default=found[cell.config_id])
        chosen.append(replace(best.cell, params=cell.params))
        said.append(_choice(best, len(whole), len(tried), labels, settings))
    return chosen, said


def _kind(cell: Cell) -> tuple[str, ...]:
    return cell.task, cell.method, cell.length, cell.scale


def _choice(
    best: Summary, whole: int, tried: int, labels: Sequence[str], settings: Sequence[Cell]
) -> str:
    own = next((c for c in settings if c.config_id == best.cell.config_id), best.cell)
    what = " ".join(f"{key}={own.params[key]}" for key in labels if key in own.params)
    score = f"mean validation {best.val.mean():.1f}" if best.n else "no run yet"
    return (
        f"{title(best.cell.task, best.cell.scale)} {best.cell.method}: "
        f"{what or 'as conf/methods.yaml has it'}, {score}, "
        f"best of {whole} settings with all seeds ({tried} in all)"
    )
