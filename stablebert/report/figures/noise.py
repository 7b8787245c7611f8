"""Standard deviations over seeds, split into test-set noise and true differences."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.analyses.noise import NOISE
from stablebert.report.figures.base import Figure, FigureKind, Specification, UnavailableError
from stablebert.report.figures.captions import compose_caption, describe_runs, name_cell
from stablebert.report.figures.points import cell_values, method_color
from stablebert.report.figures.style import GRAY, Row, draw_panels, panel_width
from stablebert.report.join import CellResult
from stablebert.report.statistics.noise import VarianceSplit

PARTS = ("test-set noise", "true differences")
_Split = tuple[CellResult, VarianceSplit]


def _draw(basis: Basis) -> Sequence[Figure]:
    splits = [(p.result, p.split) for p in basis.cell_predictions if p.split]
    if not splits:
        raise UnavailableError(f"needs predictions of runs: {'; '.join(basis.predictions[1])}")
    results = [result for result, _ in splits]
    rows = [row for result, split in splits for row in _rows(result, split, basis.labels)]
    return [
        Figure(
            name="noise",
            title="Test-set noise and true differences between runs",
            caption=compose_caption(
                "Length of a bar: standard deviation of the test score over seeds. Its two parts "
                "are the shares of the variance that a test set of this size produces by chance, "
                "and that the runs' true scores have.",
                describe_runs(results),
                _standouts(splits, basis.labels),
            ),
            specification=_specification(rows, results),
        )
    ]


def noise_share(split: VarianceSplit) -> float:
    """Return the share of test-set noise in the variance over seeds, 1 if nothing else is left."""
    return min(1.0, split.noise / split.total) if split.total else 1.0


def _rows(result: CellResult, split: VarianceSplit, labels: Sequence[str]) -> list[Row]:
    """Return one row per part of a bar."""
    noise = noise_share(split)
    facts = {
        "sd": round(100 * split.total_sd, 4),
        "noise_sd": round(100 * split.noise_sd, 4),
        "true_sd": round(100 * split.sd.value, 4),
        "interval": f"{100 * split.sd.low:.2f} to {100 * split.sd.high:.2f}",
        "n": split.n,
        "test_rows": split.rows,
    }
    return [
        {
            **cell_values(result.cell, labels),
            **facts,
            "part": part,
            "order": i,
            "length": round(100 * split.total_sd * share, 4),
        }
        for i, (part, share) in enumerate(zip(PARTS, (noise, 1 - noise), strict=True))
    ]


def _specification(rows: Sequence[Row], results: Sequence[CellResult]) -> Specification:
    order = list(dict.fromkeys(str(row["row"]) for row in rows))
    parts = alt.Scale(domain=list(PARTS), range=[0.35, 1])
    legend = alt.Legend(symbolFillColor=GRAY, symbolStrokeWidth=0)
    bars = (
        alt.Chart()
        .mark_bar(size=14)
        .encode(
            alt.X("length:Q", title="SD over seeds, points", stack="zero"),
            alt.Y("row:N", sort=order, title=None),
            alt.Opacity("part:N", sort=list(PARTS), scale=parts, title=None, legend=legend),
            alt.Order("order:Q"),
            method_color(results),
            tooltip=[
                alt.Tooltip("row:N", title="cell"),
                alt.Tooltip("sd:Q", title="SD", format=".2f"),
                alt.Tooltip("noise_sd:Q", title="noise SD", format=".2f"),
                alt.Tooltip("true_sd:Q", title="true SD", format=".2f"),
                alt.Tooltip("interval:N", title="95% interval"),
                alt.Tooltip("n:Q", title="runs"),
                alt.Tooltip("test_rows:Q", title="test rows"),
            ],
        )
    )
    height = alt.Step(24)
    return draw_panels(bars, rows=rows, width=panel_width(rows), height=height, independent="x")


def _standouts(splits: Sequence[_Split], labels: Sequence[str]) -> str:
    certain = sum(split.sd.low > 0 for _, split in splits)
    result, least = min(splits, key=lambda pair: noise_share(pair[1]))
    noisy, most = max(splits, key=lambda pair: noise_share(pair[1]))
    return (
        f"The runs' true scores differ (the interval excludes 0) in {certain} of {len(splits)} "
        f"cells. Noise is {100 * noise_share(least):.0f}% of the variance of "
        f"{name_cell(result.cell, labels)}, the least, and {100 * noise_share(most):.0f}% of that "
        f"of {name_cell(noisy.cell, labels)}, the most."
    )


NOISE_KIND = FigureKind(
    name="noise",
    summary="standard deviation over seeds as test-set noise and true differences between runs",
    items=(),
    obstacle=NOISE.obstacle,
    draw=_draw,
)
