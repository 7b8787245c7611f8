"""Validation score and training loss over steps (the paper's Figures 3, 6, and 11)."""

from collections.abc import Mapping, Sequence
from math import isfinite

import altair as alt
import numpy as np

from stablebert.report.analyses.base import Basis
from stablebert.report.figures.bands import (
    Band,
    band_layers,
    describe_missing,
    make_band,
    require_histories,
    run_layer,
    run_lists,
    series_of,
)
from stablebert.report.figures.base import Figure, FigureKind, Specification, UnavailableError
from stablebert.report.figures.captions import (
    compose_caption,
    describe_runs,
    failed_runs,
    name_cell,
)
from stablebert.report.figures.points import cell_values, run_rows
from stablebert.report.figures.series import series_encodings, too_many_lines
from stablebert.report.figures.style import Row, draw_panels, panel_width
from stablebert.report.join import CellResult
from stablebert.report.sentences import row_name
from stablebert.report.statistics.convergence import SHARE, SpeedContrast, contrast_speed
from stablebert.report.statistics.scores import FloatArray
from stablebert.report.tables import format_p
from stablebert.runs.history import History, Series
from stablebert.runs.record import Key
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of

_Encodings = Sequence[alt.Color | alt.StrokeDash]
_SCORE, _LOSS = "val/score", "train/loss"
_STEPS = alt.X("step:Q", title="optimizer step", scale=alt.Scale(nice=False))


def _obstacle(basis: Basis) -> str:
    results = basis.results_with_runs
    return too_many_lines(results, basis.labels) if results else "needs a cell with runs"


def _draw(basis: Basis) -> Sequence[Figure]:
    results, labels = basis.results_with_runs, basis.labels
    histories = require_histories(basis)
    facts = [
        describe_runs(results),
        describe_missing(results, histories),
        failed_runs(results, labels),
    ]
    series = series_encodings(results, labels)
    scores: list[Row] = []
    losses: list[Band] = []
    for result in results:
        values = cell_values(result.cell, labels)
        for band in make_band(values, series_of(result, histories, _SCORE)):
            scores.append({**band.row(100), **_best_validations(result, labels)})
        losses += make_band(values, _losses_at_validations(result, histories))
    figures = []
    if scores:
        speed = _clearest_speed(basis, histories)
        figures.append(_score_figure(scores, series, [*facts, speed]))
    if losses:
        figures.append(_loss_figure(losses, series, [*facts, _widest_range(losses)]))
    if not figures:
        raise UnavailableError("no run logged a validation score or training loss that is a number")
    return figures


def _score_figure(rows: Sequence[Row], series: _Encodings, facts: Sequence[str]) -> Figure:
    layers = band_layers(
        series,
        x=_STEPS,
        y=alt.Y("mean:Q", title="validation score x 100", scale=alt.Scale(zero=False)),
        number_format=".1f",
    )
    return Figure(
        name="convergence",
        title="Validation score during training",
        caption=compose_caption(
            "Mean validation score over steps, with a band from the lowest to the highest run; "
            "points are the best validations of runs.",
            *facts,
        ),
        specification=_panels([*layers, run_layer(rows, series[0])], rows),
    )


def _loss_figure(losses: Sequence[Band], series: _Encodings, facts: Sequence[str]) -> Figure:
    layers = band_layers(
        series, x=_STEPS, y=alt.Y("mean:Q", title="training loss"), number_format=".3f"
    )
    return Figure(
        name="convergence-loss",
        title="Training loss",
        caption=compose_caption(
            "Mean training loss since the previous validation, with a band from the lowest to the "
            "highest run.",
            *facts,
        ),
        specification=_panels(layers, [band.row() for band in losses]),
    )


def _panels(layers: Sequence[alt.Chart], rows: Sequence[Row]) -> Specification:
    return draw_panels(*layers, rows=rows, width=panel_width(rows), height=170, independent="xy")


def _losses_at_validations(
    result: CellResult, histories: Mapping[Key, History]
) -> dict[Seeds, Series]:
    """Return the mean losses between validations; those of other steps are over fewer batches."""
    validations = series_of(result, histories, _SCORE)
    losses = {}
    for seeds, series in series_of(result, histories, _LOSS).items():
        is_validation = np.isin(series.steps, validations[seeds].steps)
        losses[seeds] = Series(series.steps[is_validation], series.values[is_validation])
    return losses


def _best_validations(result: CellResult, labels: Sequence[str]) -> Row:
    """Return the runs of a cell as points at the steps of their best validations."""
    steps = [record.val_best_step for record in result.records]
    return run_lists(run_rows([result], labels, "val"), steps)


def _clearest_speed(basis: Basis, histories: Mapping[Key, History]) -> str:
    """Return a sentence on the comparison in which the steps to a score differ most clearly."""
    contrasts = [
        (contrast, baseline.cell, result.cell)
        for _, baseline, result in basis.comparisons()
        if baseline.cell.length == result.cell.length
        and (contrast := _contrast(baseline, result, histories))
    ]
    if not contrasts:
        return ""
    c, baseline, cell = min(contrasts, key=lambda item: item[0].p)
    return (
        f"Clearest difference of speed, to {SHARE:.0%} of the final gain over the majority class "
        f"(validation score {100 * c.target:.1f}): {name_cell(cell, basis.labels)}, "
        f"{_describe_steps(c.b)}; {row_name(baseline, basis.labels)}, {_describe_steps(c.a)}; "
        f"faster with {c.faster} and slower with {c.slower} of {count_of(len(c.a), 'seed')} (sign "
        f"test, p {format_p(c.p)}, not corrected for {count_of(len(contrasts), 'comparison')})."
    )


def _describe_steps(steps: FloatArray) -> str:
    """Return the median number of steps, or how many runs reach the target at all."""
    middle = float(np.median(steps))
    if isfinite(middle):
        return f"median step {middle:g}"
    return f"reached by {np.isfinite(steps).sum()} of {count_of(len(steps), 'run')}"


def _contrast(
    baseline: CellResult, result: CellResult, histories: Mapping[Key, History]
) -> SpeedContrast | None:
    a, b = (series_of(each, histories, _SCORE) for each in (baseline, result))
    seeds = [seed for seed in a if seed in b]
    if not seeds:
        return None
    floor = baseline.records[0].majority["val"]
    return contrast_speed([a[seed] for seed in seeds], [b[seed] for seed in seeds], floor)


def _widest_range(bands: Sequence[Band]) -> str:
    """Return a sentence on the cell whose runs end farthest from each other."""
    band = max(bands, key=lambda band: band.curve.high[-1] - band.curve.low[-1])
    low, high = band.curve.low[-1], band.curve.high[-1]
    place = f"{band.values['row']} on {band.values['task']}"
    return f"Widest range at the end: {place}, from {low:.3f} to {high:.3f}."


CONVERGENCE = FigureKind(
    name="convergence",
    summary="validation score and training loss over steps, with the range of the runs",
    items=("fig3", "fig6", "fig11"),
    obstacle=_obstacle,
    draw=_draw,
)
