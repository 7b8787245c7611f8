"""The verdict on earlier remedies."""

import pytest
from scipy import stats

from stablebert.report.analyses.base import Request
from tests.helpers.claims import judge, make_report, spaced_scores

STANDARD = spaced_scores(0.70, 0.01, 20)


def report(mean, sd=0.01, **kwargs):
    scores = {("rte", "standard", "3epochs"): STANDARD}
    for method in ("mixout", "llrd", "pretrained_wd"):
        scores["rte", method, "3epochs"] = spaced_scores(mean, sd, 20)
    return make_report("table2", scores, **kwargs)


@pytest.mark.parametrize(
    ("mean", "sd", "outcome"),
    [
        pytest.param(0.70, 0.01, "holds", id="no gain"),
        pytest.param(0.65, 0.01, "holds", id="a loss"),
        pytest.param(0.73, 0.01, "does not hold", id="3 points"),
        pytest.param(0.71, 0.01, "inconclusive", id="exactly the margin"),
        pytest.param(0.70, 0.09, "inconclusive", id="a wide interval"),
    ],
)
def test_the_verdict_is(mean, sd, outcome):
    assert judge("C12", report(mean, sd)).outcome == outcome


def test_little_is_less_than_the_margin_of_the_request():
    assert judge("C12", report(0.73, request=Request(margin=5.0))).outcome == "holds"


def test_the_p_value_is_welchs_against_the_margin_times_three_methods_times_two():
    other = [x - 0.01 for x in spaced_scores(0.70, 0.01, 20)]
    p = stats.ttest_ind(other, STANDARD, equal_var=False).pvalue
    verdict = judge("C12", report(0.70))
    assert min(effect.p for effect in verdict.effects) == pytest.approx(3 * 2 * p)


def test_the_sentence_names_task_and_method():
    assert (
        "significantly above 1 point on RTE, Mixout (+3.0 [" in judge("C12", report(0.73)).sentence
    )
