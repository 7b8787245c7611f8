"""Claims on the depth of re-initialization (Figs. 5 and 13)."""

from collections.abc import Sequence
from itertools import chain

from stablebert.report.cells import parameter_text, task_title
from stablebert.report.claims.base import Claim, Effect, Evidence, Reports
from stablebert.report.claims.contrasts import (
    HIGHER,
    describe_effects,
    judge_contrast,
    judged_effect,
    mean_effects,
)
from stablebert.report.claims.pairs import STANDARD, Pair, pair_cells, results_of
from stablebert.report.compare import adjust_p_values, obstacle_between
from stablebert.report.join import CellResult
from stablebert.report.statistics.scores import mean_difference, welch_test
from stablebert.report.tables import format_interval

_SWEEP = "reinit_depth"
_DEPTH = "reinit.num_layers"
_MIN_DEPTHS = 3
"""Minimum number of depths that can rise and fall."""


def _judge_pooler(reports: Reports) -> Evidence:
    results = results_of(reports, "reinit_pooler", _SWEEP, "table1")
    pairs = pair_cells(
        results,
        base=STANDARD,
        other=lambda cell: cell.method == "reinit" and parameter_text(cell, _DEPTH) == "0",
        own=(_DEPTH,),
    )
    return judge_contrast(
        pairs,
        mean_effects,
        phrase="Mean test score of re-initializing only the pooler against standard",
        words=HIGHER,
    )


def _judge_shape(reports: Reports) -> Evidence:
    by_task, obstacles = _depths_by_task(results_of(reports, _SWEEP))
    if not by_task:
        return Evidence(obstacles=obstacles)
    effects = _shape_effects(by_task)
    edges = dict.fromkeys(effect.quantity for effect in effects)
    sentences = [
        describe_effects(
            [effect for effect in effects if effect.quantity == edge],
            f"Best depth against the {edge}",
            HIGHER,
        )
        for edge in edges
    ]
    best = {title: max(own, key=lambda r: float(r.val.mean())) for title, own in by_task.items()}
    depths = ", ".join(f"{title} {_depth(result)}" for title, result in best.items())
    return Evidence(
        effects=effects,
        sentence=f"{' '.join(sentences)} Best depth by validation score: {depths}.",
        results=list(chain(*by_task.values())),
        obstacles=obstacles,
    )


def _depth(result: CellResult) -> int:
    return int(parameter_text(result.cell, _DEPTH))


def _depths_by_task(
    results: Sequence[CellResult],
) -> tuple[dict[str, list[CellResult]], dict[str, str]]:
    """Return the cells of every task by depth, and why other tasks cannot be judged."""
    groups: dict[str, list[CellResult]] = {}
    for result in results:
        if result.cell.method == "reinit" and parameter_text(result.cell, _DEPTH).isdigit():
            title = task_title(result.cell.task, result.cell.scale)
            groups.setdefault(title, []).append(result)
    by_task, obstacles = {}, {}
    for title, group in groups.items():
        own = sorted(group, key=_depth)
        reason = next(filter(None, (obstacle_between(own[0], other) for other in own)), "")
        if len(own) < _MIN_DEPTHS:
            reason = f"needs {_MIN_DEPTHS} depths"
        if reason:
            obstacles[title] = reason
        else:
            by_task[title] = own
    return by_task, obstacles


def _shape_effects(by_task: dict[str, list[CellResult]]) -> list[Effect]:
    """Return the effects of the best depth against the smallest and the largest, task by task.

    All depths are tested against both ends, with one correction over tasks and depths, so the best
    may be taken.
    """
    pairs: dict[tuple[str, str], list[Pair]] = {}
    for title, own in by_task.items():
        pairs[title, "smallest depth"] = [(own[0], other) for other in own[1:]]
        pairs[title, "largest depth"] = [(own[-1], other) for other in own[:-1]]
    tests = list(chain(*pairs.values()))
    p_values = iter(adjust_p_values([welch_test(a.test, b.test).p for a, b in tests], tests))
    return [
        _edge_effect(title, edge, own, [next(p_values) for _ in own])
        for (title, edge), own in pairs.items()
    ]


def _edge_effect(title: str, edge: str, pairs: list[Pair], p_values: list[float]) -> Effect:
    """Return the effect of the depth that speaks most for a gain over an end.

    A single depth is enough for the claim; for the opposite, every depth must be worse.
    """
    differences = [mean_difference(a.test, b.test) for a, b in pairs]
    gains = [(p, i) for i, p in enumerate(p_values) if differences[i].value > 0]
    p, best = min(gains) if gains else max((p, i) for i, p in enumerate(p_values))
    return judged_effect(
        title,
        edge,
        differences[best],
        p,
        as_claimed=bool(gains),
        text=f"depth {_depth(pairs[best][1])}: {format_interval(differences[best], '+')}",
    )


POOLER = Claim(
    key="C8",
    text="Re-initializing only the pooler already helps",
    place="Figs. 5 and 13",
    sweeps=("reinit_pooler", _SWEEP, "table1"),
    test="Welch's test",
    judge=_judge_pooler,
    headline="Re-initializing only the pooler beats standard",
)
SHAPE = Claim(
    key="C9",
    text="The gain rises with the number of re-initialized layers, flattens, then falls; the best "
    "depth differs by task",
    place="Figs. 5 and 13",
    sweeps=(_SWEEP,),
    test="Welch's tests against the smallest and the largest depth",
    judge=_judge_shape,
)
