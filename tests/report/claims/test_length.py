"""The verdict on longer training."""

import numpy as np
import pytest
from scipy import stats

from tests.helpers.claims import judge, make_report, spaced_scores

SHORT, LONG = spaced_scores(0.60, 0.04, 20), spaced_scores(0.68, 0.005, 20)
GAIN_SHORT, GAIN_LONG = spaced_scores(0.68, 0.01, 20), spaced_scores(0.69, 0.01, 20)


def report(**cells):
    """Table 1 with given scores of some of its cells, on RTE."""
    names = {
        "short": ("standard", "3epochs"),
        "long": ("standard", "longer"),
        "reinit_short": ("reinit", "3epochs"),
        "reinit_long": ("reinit", "longer"),
    }
    return make_report("table1", {("rte", *names[cell]): x for cell, x in cells.items()})


ALL = {"short": SHORT, "long": LONG, "reinit_short": GAIN_SHORT, "reinit_long": GAIN_LONG}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({}, "holds", id="mean, spread, and gap as claimed"),
        pytest.param({"long": spaced_scores(0.68, 0.04, 20)}, "inconclusive", id="equal spreads"),
        pytest.param({"long": spaced_scores(0.50, 0.005, 20)}, "does not hold", id="lower mean"),
        pytest.param(
            {"reinit_long": spaced_scores(0.90, 0.01, 20)}, "does not hold", id="a wider gap"
        ),
    ],
)
def test_the_verdict_is(changes, outcome):
    assert judge("C11", report(**ALL | changes)).outcome == outcome


def test_it_needs_longer_runs():
    assert judge("C11", report(short=SHORT, reinit_short=GAIN_SHORT)).outcome == "not enough runs"


def test_without_re_init_means_and_spreads_are_judged():
    verdict = judge("C11", report(short=SHORT, long=LONG))
    assert {effect.quantity for effect in verdict.effects} == {
        "difference of means",
        "difference of spreads",
    }
    assert "needs longer runs of both" in verdict.sentence


def test_the_change_of_the_gap_is_the_contrast_of_four_means():
    effect = judge("C11", report(**ALL)).effects[-1]
    cells = [100 * np.array(x) for x in (SHORT, GAIN_SHORT, LONG, GAIN_LONG)]
    parts = np.array([x.var(ddof=1) / 20 for x in cells])
    df = parts.sum() ** 2 / (parts**2 / 19).sum()
    value = (69 - 68) - (68 - 60)
    assert effect.text == "+1.0 instead of +8.0"
    assert effect.value.value == pytest.approx(value)
    assert effect.p == pytest.approx(2 * 2 * stats.t.sf(abs(value) / parts.sum() ** 0.5, df))


def test_a_gap_also_shrinks_where_re_init_is_worse():
    worse = ALL | {
        "reinit_short": spaced_scores(0.50, 0.01, 20),
        "reinit_long": spaced_scores(0.67, 0.01, 20),
    }
    effect = judge("C11", report(**worse)).effects[-1]
    assert effect.finding == "as claimed"
    assert effect.value.value == pytest.approx(-9)  # a gap of 1 instead of 10 points


def test_the_sentence_compares_small_and_full_data():
    scores = {("rte", "standard", "3epochs"): SHORT, ("rte", "standard", "longer"): LONG}
    scores |= {("rte_1k", "standard", "3epochs"): SHORT}
    scores |= {("rte_1k", "standard", "longer"): spaced_scores(0.75, 0.005, 20)}
    sentence = judge("C11", make_report("table1", scores)).sentence
    assert "by +15.0 points on 1,000 samples and by +8.0 on full data" in sentence


@pytest.mark.parametrize("after", [-0.0245, -0.0155], ids=["a little wider", "a little smaller"])
def test_a_gap_that_only_changes_its_sign_has_no_other_size(after):
    """From +2 points to about -2: the change is significant, that of the size is not."""
    flipped = {
        "short": spaced_scores(0.70, 0.005, 20),
        "long": spaced_scores(0.70, 0.005, 20),
        "reinit_short": spaced_scores(0.72, 0.005, 20),
        "reinit_long": spaced_scores(0.70 + after, 0.005, 20),
    }
    effect = judge("C11", report(**flipped)).effects[-1]
    error = 100 * (4 * 0.005**2 / 20) ** 0.5
    total = 2 + 100 * after
    assert effect.finding == "inconclusive"
    assert effect.value.value == pytest.approx(100 * after - 2 if total > 0 else 2 - 100 * after)
    assert effect.p == pytest.approx(2 * 2 * stats.t.sf(abs(total) / error, 4 * 19))


def test_without_a_judged_gap_the_claim_is_inconclusive_at_best():
    verdict = judge("C11", report(short=SHORT, long=LONG))
    assert (verdict.outcome, verdict.p) == ("inconclusive", None)


def test_a_gap_that_cannot_be_judged_is_named():
    few = ALL | {"reinit_long": GAIN_LONG[:4]}
    assert "Not judged: gap on RTE (4 runs, fewer than 5)." in judge("C11", report(**few)).sentence
