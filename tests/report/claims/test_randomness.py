"""The verdict on the two sources of randomness."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from stablebert.report.analyses.base import Request
from tests.helpers.claims import judge, make_report

PAIRS = tuple(product(range(6), range(6)))


def report(init, data, noise, **kwargs):
    """A grid whose seeds shift scores by normal effects with these deviations, in points."""
    rng = np.random.default_rng(1)
    rows, columns = rng.normal(0, init, 6), rng.normal(0, data, 6)
    scores = [0.7 + (rows[i] + columns[j] + rng.normal(0, noise)) / 100 for i, j in PAIRS]
    return make_report(
        "randomness", {("rte", "standard", "3epochs", ("seeds", PAIRS)): scores}, **kwargs
    )


@pytest.mark.parametrize(
    ("init", "data", "noise", "outcome"),
    [
        pytest.param(3, 3, 0.5, "holds", id="both seeds have an effect"),
        pytest.param(0, 3, 0.2, "does not hold", id="the head has none"),
        pytest.param(0.5, 0.5, 5, "inconclusive", id="the pair decides"),
    ],
)
def test_the_verdict_is(init, data, noise, outcome):
    assert judge("C13", report(init, data, noise)).outcome == outcome


def test_the_p_value_is_that_of_the_weaker_seed():
    """F of rows and of columns by hand, with Holm's correction over validation and test scores."""
    grid = report(3, 3, 0.5)
    x = np.array(grid.basis.results[0].val).reshape(6, 6)
    rows, columns, mean = x.mean(axis=1), x.mean(axis=0), x.mean()
    residual = ((x - rows[:, None] - columns + mean) ** 2).sum() / 25
    p = [stats.f.sf(6 * m.var(ddof=1) / residual, 5, 25) for m in (rows, columns)]
    # validation and test scores are equal here: of four p-values, the larger two come last
    assert judge("C13", grid).p == pytest.approx(max(4 * min(p), 2 * max(p)))


def test_one_seed_per_run_is_not_enough():
    verdict = judge("C13", make_report("randomness", {("rte", "standard", "3epochs"): [0.7] * 8}))
    assert verdict.outcome == "not enough runs"


def test_an_effect_below_the_margin_is_none():
    small = report(0, 3, 0.2, request=Request(margin=0.001))
    assert judge("C13", small).outcome == "inconclusive"


def test_a_grid_that_lacks_runs_is_named():
    scores = np.random.default_rng(1).normal(0.7, 0.01, 36).tolist()
    cells = {
        ("rte", method, "3epochs", ("seeds", PAIRS)): scores[:n]
        for method, n in (("standard", 36), ("reinit", 30))
    }
    verdict = judge("C13", make_report("randomness", cells))
    assert verdict.sentence.endswith("Not judged: RTE reinit (30 of 36 runs).")
