"""The paper's claims on a page."""

import pytest

from stablebert.report.page.claims import effect_sizes
from tests.helpers.claims import judge, make_report, spaced_scores

CALM = spaced_scores(0.7, 0.02, n=10)
SCORES = {("rte", method, "3epochs"): CALM for method in ("standard", "bert_adam")}
FAILED = {("rte", "bert_adam", "3epochs"): 5}
REPORT = make_report("bias_correction", SCORES, failed=FAILED)


@pytest.mark.parametrize(
    ("key", "sizes"),
    [
        pytest.param("C2", "50.0% of the runs", id="a share"),
        pytest.param("C1", "+0 points", id="a difference"),
    ],
)
def test_only_differences_have_a_sign(key, sizes):
    ((_, text),) = effect_sizes(judge(key, REPORT))
    assert text.startswith(f"{sizes}, significantly as claimed on ")
