"""Size of updates without bias correction, relative to that with it (the paper's Figure 1)."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from stablebert.config.compose import compose
from stablebert.report.analyses.base import Basis
from stablebert.report.cells import task_title
from stablebert.report.figures.bands import Band, band_layers, describe_missing, make_band
from stablebert.report.figures.base import Figure, FigureKind, Specification
from stablebert.report.figures.captions import compose_caption, describe_runs
from stablebert.report.figures.points import cell_values
from stablebert.report.figures.series import LINE_LEGEND
from stablebert.report.figures.style import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    Row,
    draw_panels,
    panel_width,
)
from stablebert.report.join import CellResult
from stablebert.report.statistics.bias import bias_ratios
from stablebert.runs.history import History, Series
from stablebert.runs.record import Key

_PREFIX, _LAYER = "bias_ratio/", "layer_"
_ANALYTIC = "analytic"
_LAST_STEP = 100_000
_GROUPS = {
    "embeddings": SKY,
    "lower layers": BLUE,
    "middle layers": GREEN,
    "upper layers": PURPLE,
    "pooler and classifier": ORANGE,
}
"""Groups of layers, and their colors."""


def _obstacle(basis: Basis) -> str:
    results = basis.results_with_runs
    if not any("bert_adam" in result.cell.method.split("+") for result in results):
        return "needs runs of bert_adam, such as in the sweep bias_correction"
    if len({_betas(result) for result in results}) > 1:
        return "needs cells with the same optimizer.betas"
    return ""


def _betas(result: CellResult) -> tuple[float, ...]:
    cell = result.cell
    overrides = [f"{k}={v}" for k, v in cell.params.items() if k == "optimizer.betas"]
    return tuple(compose([f"method={cell.method}", *overrides]).optimizer.betas)


def _draw(basis: Basis) -> Sequence[Figure]:
    results = basis.results_with_runs
    histories, _ = basis.histories
    betas = _betas(results[0])
    bands = _measured_bands(results, basis.labels, histories)
    rows = list(dict.fromkeys(str(band.values["row"]) for band in bands)) or [_ANALYTIC]
    return [
        Figure(
            name="bias_ratio",
            title="Size of updates without bias correction, relative to that with it",
            caption=compose_caption(
                _describe_curve(betas),
                _describe_measurements(bands),
                describe_runs(results) if bands else "",
                describe_missing(results, histories) if bands else "",
                _largest_deviation(bands, betas),
            ),
            specification=_specification(bands, rows, betas),
        )
    ]


def _measured_bands(
    results: Sequence[CellResult], labels: Sequence[str], histories: Mapping[Key, History]
) -> list[Band]:
    """Return the measured ratio by row and group of layers, over the runs of all tasks."""
    runs: dict[tuple[str, str], dict[str, Series]] = {}
    for result in results:
        row = cell_values(result.cell, labels)["row"]
        task = task_title(result.cell.task, result.cell.scale)
        for record in result.records:
            for group, series in _ratios_by_group(histories.get(record.key, {})).items():
                runs.setdefault((row, group), {})[f"{task} {record.seeds}"] = series
    return [
        band
        for (row, group), own in runs.items()
        for band in make_band({"row": row, "group": group}, own)
    ]


def _ratios_by_group(history: History) -> dict[str, Series]:
    """Return the mean ratio of each group of layers; a third of the layers are the lower ones."""
    layers = sorted(name for name in history if name.startswith(_PREFIX + _LAYER))
    lower, middle, upper = (part.tolist() for part in np.array_split(layers, 3))
    members: dict[str, list[str]] = {
        "embeddings": [_PREFIX + "embeddings"],
        "lower layers": lower,
        "middle layers": middle,
        "upper layers": upper,
        "pooler and classifier": [_PREFIX + "pooler", _PREFIX + "classifier"],
    }
    groups = {
        group: [history[name] for name in names if name in history]
        for group, names in members.items()
    }
    return {
        group: Series(parts[0].steps, np.mean([part.values for part in parts], axis=0))
        for group, parts in groups.items()
        if parts
    }


def _specification(
    bands: Sequence[Band], rows: Sequence[str], betas: Sequence[float]
) -> Specification:
    steps = np.unique(np.geomspace(1, _LAST_STEP, 150).round())
    ratios = bias_ratios(steps, betas).round(4)
    analytic: list[Row] = [
        {"row": row, "t": steps.tolist(), "ratio": ratios.tolist()} for row in rows
    ]
    scale = alt.Scale(domain=list(_GROUPS), range=list(_GROUPS.values()))
    x_scale = alt.Scale(type="log", domain=[1, _LAST_STEP], nice=False)
    ticks = alt.Axis(values=[10**i for i in range(6)])
    title = "update norm, biased / corrected"
    line = (
        alt.Chart()
        .mark_line(color=GRAY, strokeWidth=4, opacity=0.5)
        .encode(
            alt.X("t:Q", title="optimizer step", scale=x_scale, axis=ticks),
            alt.Y("ratio:Q", title=title),
            tooltip=[alt.Tooltip("t:Q", title="step"), alt.Tooltip("ratio:Q", format=".2f")],
        )
    )
    measured = band_layers(
        [alt.Color("group:N", scale=scale, title=None, legend=LINE_LEGEND)],
        x=alt.X("step:Q", title="optimizer step", scale=x_scale, axis=ticks),
        y=alt.Y("mean:Q", title=title),
        number_format=".2f",
    )
    data = [*analytic, *(band.row() for band in bands)]
    return draw_panels(
        line,
        *(measured if bands else ()),
        rows=data,
        width=panel_width(data, "row"),
        height=220,
        field="row",
    )


def _describe_curve(betas: Sequence[float]) -> str:
    steps = np.arange(1, _LAST_STEP + 1)
    ratios = bias_ratios(steps, betas)
    peak = int(ratios.argmax())
    return (
        f"Gray: (1-b1^t) / sqrt(1-b2^t) with b1={betas[0]:g} and b2={betas[1]:g}, "
        f"{ratios[0]:.2f} at step 1 and {ratios[peak]:.2f} at its peak, step {steps[peak]}."
    )


def _describe_measurements(bands: Sequence[Band]) -> str:
    if not bands:
        return "No run has a history with measured ratios."
    return (
        "Colors: mean of the measured ratio over layers, runs, and tasks, with a band from the "
        "lowest to the highest run."
    )


def _largest_deviation(bands: Sequence[Band], betas: Sequence[float]) -> str:
    """Return a sentence on the measured mean that is farthest from the curve."""
    deviations = [
        (float(mean / ratio), int(step), band)
        for band in bands
        for step, mean, ratio in zip(
            band.curve.steps,
            band.curve.mean,
            bias_ratios(band.curve.steps, betas),
            strict=True,
        )
    ]
    if not deviations:
        return ""
    factor, step, band = max(deviations, key=lambda item: abs(np.log(item[0])))
    place = f"{band.values['group']} of {band.values['row']}"
    return f"Farthest from the curve: {place} at step {step}, {factor:.2f} times its value."


BIAS_RATIO = FigureKind(
    name="bias_ratio",
    summary="size of updates without bias correction, relative to that with it, by step",
    items=("fig1",),
    obstacle=_obstacle,
    draw=_draw,
)
