"""Commands that train the runs that a claim lacks."""

from collections.abc import Mapping, Sequence

from stablebert.config.own_tasks import command_line
from stablebert.config.sweep import read_sweep, shipped_sweeps
from stablebert.report.claims.base import Reports
from stablebert.report.items import overrides_at
from stablebert.report.join import CellResult
from stablebert.report.statistics.scores import MIN_RUNS
from stablebert.runs.seeds import format_seeds

Values = Mapping[str, Sequence[str]]
"""Values of parameters as typed on the command line."""
_CARRIED = ("data.", "model.", "paths.", "trainer.precision")
"""Beginnings of the keys that a sweep without a report takes over from the others."""
_COMPLETED = {"method", "length", "reinit.num_layers"}
"""Keys of which a command has all values of the sweep, if the report has one of them."""


def command_for(sweep: str, reports: Reports, *, min_runs: int = MIN_RUNS) -> str:
    """Return the `grid` command that trains the missing runs of a sweep.

    Args:
        sweep: Name of the sweep, which need not have a report.
        reports: All reports, from which scale, model, and data are taken if it has none.
        min_runs: Fewest runs that a cell needs.
    """
    defaults = read_sweep(sweep).parameters if sweep in shipped_sweeps() else {}
    if report := reports.get(sweep):
        values = _own_values(report.basis.results, defaults, min_runs)
        texts = [
            f"{key}={','.join(own)}"
            for key, own in values.items()
            if set(own) != set(defaults.get(key, ()))
        ]
    else:
        texts = _shared_overrides(sweep, reports, defaults)
    return command_line("grid", sweep, *texts)


def _own_values(
    results: Sequence[CellResult], defaults: Values, min_runs: int
) -> dict[str, Sequence[str]]:
    """Return the values of a sweep's report."""
    values = _values_of(results)
    for key in _COMPLETED & values.keys() & defaults.keys():
        # a report leaves out cells without runs, and may show some of other sweeps
        if set(values[key]) & set(defaults[key]):
            values[key] = defaults[key]
    return values | _seeds(results, defaults, min_runs)


def _shared_overrides(sweep: str, reports: Reports, defaults: Values) -> list[str]:
    """Return the overrides that a sweep without a report shares with all reports."""
    others = [_values_of(report.basis.results) for report in reports.values()]
    shared = {
        key: own[0]
        for key, own in (others[0] if others else {}).items()
        if len(own) == 1 and all(other.get(key) == own for other in others)
    }
    scale = overrides_at(shared["scale"], sweep) if "scale" in shared else []
    carried = [
        f"{key}={value}"
        for key, value in shared.items()
        if key.startswith(_CARRIED) and key not in defaults
    ]
    return [*scale, *carried]


def _values_of(results: Sequence[CellResult]) -> dict[str, Sequence[str]]:
    """Return the values of every parameter, without repetitions."""
    values: dict[str, dict[str, None]] = {}
    for result in results:
        for key, value in result.cell.params.items():
            values.setdefault(key, {})[str(value)] = None
    return {key: list(texts) for key, texts in values.items()}


def _seeds(
    results: Sequence[CellResult], defaults: Values, min_runs: int
) -> dict[str, Sequence[str]]:
    """Return the seeds, or as many as a verdict needs if there are fewer."""
    seeds = {seeds for result in results for seeds in result.cell.seeds}
    if any(one.init != one.data for one in seeds):
        return {}  # a grid of two seeds has its own
    if len(seeds) >= min_runs:
        own = {str(one.data) for one in seeds}
        is_default = own == set(defaults.get("seed", ()))
        return {} if is_default else {"seed": format_seeds(seeds).split(", ")}
    few = len(defaults.get("seed", ())) < min_runs
    return {"seed": [f"0..{min_runs - 1}"]} if few else {}
