"""Simulated reports on equal cells: how often a claim is decided although there is no effect."""

from math import sqrt

import numpy as np
import pytest

from stablebert.report.analyses.base import Basis, Request
from stablebert.report.analyses.equivalence import EQUIVALENCE
from stablebert.report.analyses.sections import Sections
from stablebert.report.claims.base import outcome_of
from stablebert.report.claims.registry import CLAIMS
from stablebert.report.compare import AnalyzedCell
from stablebert.report.join import CellResult, JoinedRecords
from stablebert.report.statistics.scores import ALPHA
from stablebert.report.sweep_report import SweepReport
from tests.helpers.records import make_cell, make_record

TASKS = ("rte", "mrpc", "stsb", "cola")
BY_KEY = {claim.key: claim for claim in CLAIMS}
RECORDS = {status: make_record(make_cell(), status=status) for status in ("ok", "failed")}
REPORTS = 200
pytestmark = pytest.mark.slow


def normal(rng, n):
    return rng.normal(70, 2.5, n)


def often_failing(rng, n):
    """Scores of which three in ten are the majority class's."""
    return np.where(rng.random(n) < 0.3, 52.7, rng.normal(70, 2.5, n))


def cells_of(*kinds, n=20, tasks=TASKS):
    """A cell per task and kind, each of (method, length, *pairs of parameter and value)."""
    return [
        make_cell(task, method, length, seeds=range(n), **dict(pairs))
        for task in tasks
        for method, length, *pairs in kinds
    ]


def simulate(name, cells, draw, shift=None):
    """A report on scores drawn from one distribution; a run of a score below 60 failed."""
    rows = []
    for cell in cells:
        scores = draw(len(cell.seeds)) + (shift or {}).get(cell.method, 0)
        records = tuple(RECORDS["failed" if score < 60 else "ok"] for score in scores)
        own = {"cell": cell, "test": scores, "val": scores, "records": records}
        result = CellResult(**own, missing=(), pruned=False)
        rows.append(
            AnalyzedCell(result=result, comparison=None, marked=False, marked_by_paper=False)
        )
    basis = Basis(rows=rows, request=Request())
    findings = {"equivalence": EQUIVALENCE.analyze(basis)} if name == "table4" else {}
    return SweepReport(
        name=name,
        basis=basis,
        join_result=JoinedRecords(results=basis.results, similar=[], unrelated=0),
        score_tables=[],
        sentences=[],
        sections=Sections(findings=findings, obstacles={}),
        notes=[],
    )


def decided(
    key, name, cells, draw, *, outcomes=("holds", "does not hold"), reports=REPORTS, **kwargs
):
    """Share of reports in which a claim has one of the outcomes."""
    rng = np.random.default_rng(1)
    count = 0
    for _ in range(reports):
        report = simulate(name, cells, lambda n: draw(rng, n), **kwargs)
        count += outcome_of(BY_KEY[key].judge({name: report}).effects) in outcomes
    return count / reports


def bound(reports):
    """Level of a claim, and three standard errors of a share of it."""
    return ALPHA + 3 * sqrt(ALPHA * (1 - ALPHA) / reports)


BOUND = bound(REPORTS)
OPTIMIZERS = (("bert_adam", "3epochs"), ("standard", "3epochs"))
TABLE1 = tuple((m, length) for m in ("standard", "reinit") for length in ("3epochs", "longer"))
DEPTHS = tuple(("reinit", "3epochs", ("reinit.num_layers", i)) for i in range(1, 7))


@pytest.mark.parametrize("draw", [normal, often_failing])
@pytest.mark.parametrize(
    ("key", "name", "kinds"),
    [
        ("C1", "bias_correction", OPTIMIZERS),
        ("C5", "table1", TABLE1),
        ("C6", "table1", TABLE1),
        ("C9", "reinit_depth", DEPTHS),
        ("C11", "table1", TABLE1),
    ],
)
def test_equal_cells_rarely_decide(key, name, kinds, draw):
    assert decided(key, name, cells_of(*kinds), draw) <= BOUND


def test_one_task_without_a_correction_over_tasks_rarely_decides():
    assert decided("C5", "table1", cells_of(*TABLE1, tasks=["rte"]), normal) <= BOUND


def test_equal_shares_of_failed_runs_rarely_decide():
    assert decided("C2", "bias_correction", cells_of(*OPTIMIZERS), often_failing) <= BOUND


def test_a_gain_of_exactly_the_margin_rarely_decides():
    cells = cells_of(("standard", "3epochs"), ("mixout", "3epochs"), ("llrd", "3epochs"))
    shift = {"mixout": 1.0, "llrd": 1.0}
    assert decided("C12", "table2", cells, normal, shift=shift) <= BOUND


def test_few_runs_rarely_seem_to_reach_many_of_an_equal_cell():
    """The best of 25 is 1.9 points above the best of 5, more than the margin."""
    cells, n = cells_of(*OPTIMIZERS, n=50, tasks=["rte"]), 60
    share = decided("C3", "bias_correction", cells, normal, outcomes=["holds"], reports=n)
    assert share <= bound(n)


def draw_precise(rng, n):
    return rng.normal(70, 0.5, n)


PRECISIONS = tuple(
    ("standard", "3epochs", ("trainer.precision", p)) for p in ("32-true", "16-mixed")
)


def test_equal_precisions_are_rarely_different():
    cells, no = cells_of(*PRECISIONS), ["does not hold"]
    assert decided("C14", "table4", cells, draw_precise, outcomes=no) <= BOUND


def test_equal_precisions_are_mostly_equivalent():
    cells, yes = cells_of(*PRECISIONS), ["holds"]
    assert decided("C14", "table4", cells, draw_precise, outcomes=yes) > 0.9


def test_a_true_effect_is_mostly_found():
    """4 points with a deviation of 2.5, on four tasks with 20 seeds."""
    cells = cells_of(("standard", "3epochs"), ("reinit", "3epochs"))
    found = decided("C5", "table1", cells, normal, outcomes=["holds"], shift={"reinit": 4.0})
    assert found > 0.9
