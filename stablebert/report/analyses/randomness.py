"""Two sources of randomness: a grid of `seed_init` by `seed_data` (the paper's Appendix B)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from stablebert.report.analyses.base import Analysis, Basis, Findings, Number, numbers_by_name
from stablebert.report.cells import Cell, task_title
from stablebert.report.join import CellResult
from stablebert.report.render import Entry, Table
from stablebert.report.sentences import row_name
from stablebert.report.statistics.scores import ALPHA, MIN_RUNS, holm_adjust
from stablebert.report.statistics.variance_components import (
    Component,
    Layout,
    Margins,
    VarianceComponents,
    arrange_scores,
    margins,
    variance_components,
)
from stablebert.report.tables import format_p, format_ratio, label_entries
from stablebert.runs.seeds import Seeds
from stablebert.text import count_of

_SEEDS = ("seed_init", "seed_data")


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """A cell's scores by both seeds."""

    result: CellResult
    score: str
    """`val` or `test`."""
    layout: Layout
    margins: Margins
    components: VarianceComponents | None
    """None with fewer than `MIN_RUNS` values of a seed."""
    p_holm: tuple[float, ...] = ()
    """P-values of the effects of both seeds, corrected over all grids of the report."""

    @property
    def score_name(self) -> str:
        return {"val": "validation", "test": "test"}[self.score]

    @property
    def parts(self) -> dict[str, Component]:
        """Components by name."""
        c = self.components
        return (
            dict(zip((*_SEEDS, "residual"), (c.init, c.data, c.residual), strict=True)) if c else {}
        )

    @property
    def p(self) -> tuple[float, ...]:
        """P-values of the effects of both seeds."""
        return (self.components.p_init, self.components.p_data) if self.components else ()


def _obstacle(basis: Basis) -> str:
    results = [result for result in basis.results if is_seed_grid(result.cell)]
    if not results:
        return (
            "needs every combination of several seed_init and seed_data, such as in the sweep "
            "randomness"
        )
    if any(result.is_complete for result in results):
        return ""
    return "; ".join(map(_describe_incomplete, results))


def is_seed_grid(cell: Cell) -> bool:
    """Return whether the seeds of a cell are all pairs of two or more values each."""
    init_seeds, data_seeds = (
        {getattr(seeds, key) for seeds in cell.seeds} for key in ("init", "data")
    )
    pairs = {Seeds(*pair) for pair in product(init_seeds, data_seeds)}
    return min(len(init_seeds), len(data_seeds)) > 1 and set(cell.seeds) == pairs


def _describe_incomplete(result: CellResult) -> str:
    reason = "selected by seed pruning" if result.pruned else "needs all combinations of the seeds"
    title = task_title(result.cell.task, result.cell.scale)
    n = count_of(len(result.cell.seeds), "run")
    return f"{title} {result.cell.method}: {result.n} of {n}, {reason}"


def _analyze(basis: Basis) -> Findings:
    candidates = [result for result in basis.results if is_seed_grid(result.cell)]
    grids = [_arrange(r, score) for r in candidates if r.is_complete for score in ("val", "test")]
    grids = _correct(grids)
    labels = basis.labels
    tables = [_components_table(grids, labels)] if any(grid.parts for grid in grids) else []
    tables.append(_margins_table(grids, labels))
    tables += [_scores_table(grid, labels) for grid in grids if grid.score == "val"]
    return Findings(
        tables=tables,
        sentences=[
            *(_sentence(grid, labels) for grid in grids),
            *(f"Not analyzed: {_describe_incomplete(r)}." for r in candidates if not r.is_complete),
            *_DEFINITIONS,
        ],
        numbers=[number for grid in grids for number in _numbers(grid)],
    )


def _arrange(result: CellResult, score: str) -> _Grid:
    layout = arrange_scores(
        [record.seed_init for record in result.records],
        [record.seed_data for record in result.records],
        result.val if score == "val" else result.test,
    )
    enough = min(layout.scores.shape) >= MIN_RUNS
    return _Grid(
        result=result,
        score=score,
        layout=layout,
        margins=margins(layout.scores),
        components=variance_components(layout.scores, seed=0) if enough else None,
    )


def _correct(grids: Sequence[_Grid]) -> list[_Grid]:
    """Return grids with p-values that Holm's method has corrected over all of them."""
    p_holm = iter(holm_adjust([p for grid in grids for p in grid.p]).tolist())
    return [replace(grid, p_holm=tuple(next(p_holm) for _ in grid.p)) for grid in grids]


# ---------------------------------------------------------------- sentences


def _sentence(grid: _Grid, labels: Sequence[str]) -> str:
    cell, (rows, columns) = grid.result.cell, grid.layout.scores.shape
    name = f"{task_title(cell.task, cell.scale)} {row_name(cell, labels)}"
    if not grid.parts:
        return (
            f"{name}, {grid.score_name} scores: {rows} x {columns} seeds; variance components need "
            f"{MIN_RUNS} values of each seed."
        )
    if not any(part.variance.value for part in grid.parts.values()):
        return (
            f"{name}, {grid.score_name} scores: all of {count_of(grid.result.n, 'run')} are equal."
        )
    parts = [f"{100 * part.share:.0f}% {source}" for source, part in grid.parts.items()]
    effects = []
    for seed, p in zip(_SEEDS, grid.p_holm, strict=True):
        verdict = "has an" if p < ALPHA else "has no significant"
        effects.append(f"{seed} {verdict} effect of its own (p {format_p(p)})")
    return (
        f"{name}, {grid.score_name} scores: the variance is {', '.join(parts)}; "
        f"{', and '.join(effects)}."
    )


_DEFINITIONS = (
    "Variance components: two-way random effects of seed_init (head and re-initialized layers) and "
    "seed_data (order, dropout, and mixout masks), one run per pair. Residual: the interaction of "
    "both seeds, and everything that neither determines. Estimates of a variance are unbiased, "
    "so they may be negative, and then count as 0; intervals are BCa bootstraps over both seeds.",
    "p F: test that a seed has no effect of its own; p Holm: the same, corrected over all seeds "
    "and scores of the table; the sentences rest on it.",
    "Means and standard deviations with one seed fixed: the margins of the paper's Figures 9 and "
    "10, which are about validation scores.",
)


# ---------------------------------------------------------------- tables


def _components_table(grids: Sequence[_Grid], labels: Sequence[str]) -> Table:
    rows = []
    for grid in grids:
        p_texts = [*map(format_p, grid.p), "-"], [*map(format_p, grid.p_holm), "-"]
        for i, (source, part) in enumerate(grid.parts.items()):
            texts = [f"{part.sd.value:.2f} [{part.sd.low:.2f}, {part.sd.high:.2f}]"]
            texts += [f"{part.estimate:.2f}", format_ratio(part.share)]
            texts += [column[i] for column in p_texts]
            rows.append(
                [
                    *label_entries(grid.result.cell, labels),
                    Entry(text=grid.score_name),
                    Entry(text=source),
                    *(Entry(text=text) for text in texts),
                ]
            )
    head = ["task", *labels, "score", "source", "sd [95% CI]", "variance", "share", "p F", "p Holm"]
    title = "Variance components (score x 100)"
    return Table(title=title, head=head, rows=rows, labels=3 + len(labels))


def _margins_table(grids: Sequence[_Grid], labels: Sequence[str]) -> Table:
    rows = []
    for grid in grids:
        m = grid.margins
        means = [
            f"{margin.means.min():.1f} to {margin.means.max():.1f}" for margin in (m.init, m.data)
        ]
        sds = [f"{margin.sds.mean():.2f}" for margin in (m.init, m.data)]
        texts = [*(f"{x:.1f}" for x in (m.mean, m.best, m.worst)), *means, *sds]
        rows.append(
            [
                *label_entries(grid.result.cell, labels),
                Entry(text=grid.score_name),
                *(Entry(text=text) for text in texts),
            ]
        )
    head = ["task", *labels, "score", "mean", "best", "worst"]
    head += [f"{what}, {seed} fixed" for what in ("means", "mean sd") for seed in _SEEDS]
    title = "Margins (score x 100)"
    return Table(title=title, head=head, rows=rows, labels=2 + len(labels))


def _scores_table(grid: _Grid, labels: Sequence[str]) -> Table:
    """Return the scores of one cell by both seeds, with their margins."""
    layout, m, cell = grid.layout, grid.margins, grid.result.cell
    rows = [
        [
            Entry(text=str(seed)),
            *(Entry(text=f"{x:.1f}", marked=x == m.best) for x in layout.scores[i]),
            Entry(text=f"{m.init.means[i]:.1f}"),
            Entry(text=f"{m.init.sds[i]:.2f}"),
        ]
        for i, seed in enumerate(layout.seed_init)
    ]
    means = [*(f"{x:.1f}" for x in m.data.means), f"{m.mean:.1f}", "-"]
    sds = [*(f"{x:.2f}" for x in m.data.sds), "-", "-"]
    rows += [[Entry(text=text) for text in texts] for texts in (["mean", *means], ["sd", *sds])]
    return Table(
        title=(
            f"{grid.score_name.capitalize()} score x 100 of {task_title(cell.task, cell.scale)} "
            f"{row_name(cell, labels)}: seed_init (rows) by seed_data (columns)"
        ),
        head=["seed_init", *map(str, layout.seed_data), "mean", "sd"],
        rows=rows,
        labels=1,
    )


# ---------------------------------------------------------------- numbers


def _numbers(grid: _Grid) -> list[Number]:
    cell, score, m = grid.result.cell, grid.score, grid.margins
    numbers: list[Number] = []
    p_values = (*grid.p, None), (*grid.p_holm, None)  # the residual has none
    for (source, part), p, p_holm in zip(grid.parts.items(), *p_values, strict=False):
        numbers += numbers_by_name(
            cell,
            {
                f"{score}_variance": replace(part.variance, value=part.estimate),
                f"{score}_component_sd": part.sd,
                f"{score}_share": part.share,
                f"{score}_p_f": p,
                f"{score}_p_holm": p_holm,
            },
            level=source,
        )
    totals = {f"{score}_mean": m.mean, f"{score}_best": m.best, f"{score}_worst": m.worst}
    numbers += numbers_by_name(cell, totals)
    sides = (
        ("seed_init", grid.layout.seed_init, m.init),
        ("seed_data", grid.layout.seed_data, m.data),
    )
    for key, seeds, margin in sides:
        for i, seed in enumerate(seeds):
            values = {f"{score}_mean": float(margin.means[i]), f"{score}_sd": float(margin.sds[i])}
            numbers += numbers_by_name(cell, values, level=f"{key}={seed}")
    for init, scores in zip(grid.layout.seed_init, grid.layout.scores.tolist(), strict=True):
        for data, x in zip(grid.layout.seed_data, scores, strict=True):
            level = f"seed_init={init} seed_data={data}"
            numbers.append(Number(cell=cell, quantity=score, value=x, level=level))
    return numbers


RANDOMNESS = Analysis(
    name="randomness",
    summary="variance from seed_init and from seed_data, with the margins of Figures 9 and 10",
    obstacle=_obstacle,
    analyze=_analyze,
)
