"""Expected score of the best of k runs by validation (the paper's Figures 4 and 12)."""

from collections.abc import Sequence

import altair as alt

from stablebert.report.analyses.base import Basis
from stablebert.report.cells import task_title
from stablebert.report.figures.base import Figure, FigureKind
from stablebert.report.figures.captions import compose_caption, describe_runs
from stablebert.report.figures.points import SCORE_TITLES, Score, cell_values, scores_of
from stablebert.report.figures.series import series_encodings, too_many_lines
from stablebert.report.figures.style import Row, draw_panels, panel_width
from stablebert.report.join import CellResult
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import expected_best_of_k
from stablebert.report.tables import TRIALS

_NAMES: dict[Score, str] = {"test": "best_of_k", "val": "best_of_k-validation"}
_TITLES: dict[Score, str] = {
    "test": "Test score of the best of k runs by validation",
    "val": "Validation score of the best of k runs",
}


def _obstacle(basis: Basis) -> str:
    results = _usable(basis)
    if not results:
        return f"needs {TRIALS} runs of a cell that seed pruning did not select"
    return too_many_lines(results, basis.labels)


def _usable(basis: Basis) -> list[CellResult]:
    return [result for result in basis.results if result.n >= TRIALS and not result.pruned]


def _draw(basis: Basis) -> Sequence[Figure]:
    results = _usable(basis)
    return [_figure(results, basis.labels, score) for score in ("test", "val")]


def _figure(results: Sequence[CellResult], labels: Sequence[str], score: Score) -> Figure:
    rows = [row for result in results for row in _curve(result, labels, score)]
    color, *dash = series_encodings(results, labels)
    base = alt.Chart().encode(
        alt.X("k:Q", title="runs k", scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1)),
        alt.Detail("row:N"),
        color,
    )
    band = base.mark_area(opacity=0.2).encode(
        alt.Y("low:Q", scale=alt.Scale(zero=False), title=f"expected {SCORE_TITLES[score]}"),
        alt.Y2("high:Q"),
    )
    line = base.mark_line(strokeWidth=2).encode(alt.Y("score:Q"), *dash)
    points = base.mark_point(size=80, opacity=0).encode(
        alt.Y("score:Q"),
        tooltip=[
            alt.Tooltip("row:N", title="cell"),
            alt.Tooltip("k:Q"),
            alt.Tooltip("score:Q", format=".1f"),
            alt.Tooltip("sd:Q", format=".1f"),
        ],
    )
    runs = (
        "test score of the run with the best validation score"
        if score == "test"
        else ("best validation score")
    )
    return Figure(
        name=_NAMES[score],
        title=_TITLES[score],
        caption=compose_caption(
            f"Expected {runs} among k that are drawn with replacement; bands are one standard "
            "deviation over draws, cut off at the lowest and the highest run.",
            describe_runs(results),
            _widest_gap(results, labels, score),
        ),
        specification=draw_panels(
            band, line, points, rows=rows, width=panel_width(rows), height=170, independent="y"
        ),
    )


def _curve(result: CellResult, labels: Sequence[str], score: Score) -> list[Row]:
    """Return one row per number of runs, with the curves of `-trials.csv`."""
    ks = range(1, result.n + 1)
    scores = scores_of(result, score)
    means, sds = expected_best_of_k(result.val, scores, ks)
    values = cell_values(result.cell, labels)
    return [
        {
            **values,
            "k": k,
            "score": round(mean, 4),
            "sd": round(sd, 4),
            "low": round(max(mean - sd, float(scores.min())), 4),
            "high": round(min(mean + sd, float(scores.max())), 4),
        }
        for k, mean, sd in zip(ks, means.tolist(), sds.tolist(), strict=True)
    ]


def _widest_gap(results: Sequence[CellResult], labels: Sequence[str], score: Score) -> str:
    """Return a sentence on the task where rows differ most with a few runs."""
    tasks: dict[str, dict[str, float]] = {}
    for result in results:
        mean, _ = expected_best_of_k(result.val, scores_of(result, score), TRIALS)
        title = task_title(result.cell.task, result.cell.scale)
        tasks.setdefault(title, {})[row_name(result.cell, labels)] = float(mean[0])
    gaps = {task: max(own.values()) - min(own.values()) for task, own in tasks.items()}
    task = max(gaps, key=lambda name: gaps[name])
    if not gaps[task]:
        return ""
    own = tasks[task]
    best, worst = max(own, key=lambda row: own[row]), min(own, key=lambda row: own[row])
    return (
        f"The best of {TRIALS} differs most on {task}: {own[best]:.1f} with {best}, "
        f"{own[worst]:.1f} with {worst}."
    )


BEST_OF_K = FigureKind(
    name="best_of_k",
    summary="expected score of the best of k runs by validation",
    items=("fig4", "fig12"),
    obstacle=_obstacle,
    draw=_draw,
)
