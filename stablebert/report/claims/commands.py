"""Commands that train the runs that a claim lacks."""

import shlex
from collections.abc import Mapping, Sequence

from stablebert.config.sweep import read_sweep, shipped_sweeps
from stablebert.report.claims.base import Reports
from stablebert.report.join import CellResult
from stablebert.report.statistics.scores import MIN_RUNS
from stablebert.runs.seeds import format_seeds

Values = Mapping[str, Sequence[str]]
"""Values of parameters as typed on the command line."""
_ADDRESSES = ("data.", "model.", "paths.")
"""Beginnings of the keys that a sweep without a report takes over from the others."""
_COMPLETED = {"method", "length", "reinit.num_layers"}
"""Keys of which a command has all values of the sweep, if the report has one of them."""


def command_for(sweep: str, reports: Reports) -> str:
    """Return the `grid` command that trains the missing runs of a sweep.

    Args:
        sweep: Name of the sweep, which need not have a report.
        reports: All reports, from which scale, model, and data are taken if it has none.
    """
    defaults = read_sweep(sweep).parameters if sweep in shipped_sweeps() else {}
    texts = [
        f"{key}={','.join(own)}"
        for key, own in _own_values(sweep, reports, defaults).items()
        if set(own) != set(defaults.get(key, ()))
    ]
    return shlex.join(["stablebert", "grid", sweep, *texts])


def _own_values(sweep: str, reports: Reports, defaults: Values) -> dict[str, Sequence[str]]:
    """Return the values of a sweep's report, or those that it would share with the others."""
    if report := reports.get(sweep):
        values = _values_of(report.basis.results)
        for key in _COMPLETED & values.keys() & defaults.keys():
            # a report leaves out cells without runs, and may show some of other sweeps
            if set(values[key]) & set(defaults[key]):
                values[key] = defaults[key]
        return values | _seeds(report.basis.results, defaults)
    others = [_values_of(other.basis.results) for other in reports.values()]
    if not others:
        return {}
    shared = {
        key: own
        for key, own in others[0].items()
        if len(own) == 1 and all(other.get(key) == own for other in others)
    }
    scale = shared.get("scale", defaults.get("scale", []))
    values = {"scale": scale} if scale else {}
    values |= {
        key: own
        for key, own in shared.items()
        if key.startswith(_ADDRESSES) and key not in defaults
    }
    if scale == ["demo"]:  # which has no versions with 1,000 samples
        values["task"] = [task for task in defaults.get("task", ()) if not task.endswith("_1k")]
    return values


def _values_of(results: Sequence[CellResult]) -> dict[str, Sequence[str]]:
    """Return the values of every parameter, without repetitions."""
    values: dict[str, dict[str, None]] = {}
    for result in results:
        for key, value in result.cell.params.items():
            values.setdefault(key, {})[str(value)] = None
    return {key: list(texts) for key, texts in values.items()}


def _seeds(results: Sequence[CellResult], defaults: Values) -> dict[str, Sequence[str]]:
    """Return the seeds, or as many as a verdict needs if there are fewer."""
    seeds = {seeds for result in results for seeds in result.cell.seeds}
    if any(one.init != one.data for one in seeds):
        return {}  # a grid of two seeds has its own
    if len(seeds) >= MIN_RUNS:
        own = {str(one.data) for one in seeds}
        is_default = own == set(defaults.get("seed", ()))
        return {} if is_default else {"seed": format_seeds(seeds).split(", ")}
    few = len(defaults.get("seed", ())) < MIN_RUNS
    return {"seed": [f"0..{MIN_RUNS - 1}"]} if few else {}
