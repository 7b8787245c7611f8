"""Differences of mean test scores from the baseline."""

import pytest

from stablebert.report.figures.differences import DIFFERENCES
from tests.helpers.figures import draw_one, make_basis, rows_of, values_of
from tests.helpers.records import make_cell, make_record

FIVE = (0.60, 0.61, 0.62, 0.63, 0.64)
"""Scores with a standard deviation of 1.58 points, so that a difference has an error of 1 point."""


def make(gains, n=5):
    methods = {"standard": 0.0, **gains}
    cells = [make_cell(method=method, seeds=range(n)) for method in methods]
    records = [make_record(c, i, FIVE[i] + methods[c.method]) for c in cells for i in range(n)]
    return make_basis(cells, records, name="table1")


@pytest.fixture(scope="module")
def figure():
    return draw_one(DIFFERENCES, make({"reinit": 0.1, "sam": 0.0}))


@pytest.mark.parametrize(("method", "difference"), [("reinit", 10), ("sam", 0)])
def test_differences_are_those_of_the_means(figure, method, difference):
    values = values_of(figure, "difference", method=method, source="these runs")
    assert values == pytest.approx([difference], abs=1e-9)


def test_the_interval_is_welchs(figure):
    # 8 degrees of freedom: t(.975) = 2.306
    (row,) = rows_of(figure, method="reinit", source="these runs")
    assert (row["low"], row["high"]) == pytest.approx((7.694, 12.306))


@pytest.mark.parametrize(
    ("method", "verdict"), [("reinit", "significantly higher"), ("sam", "inconclusive")]
)
def test_the_verdict_is_that_of_the_report(figure, method, verdict):
    assert values_of(figure, "verdict", method=method, source="these runs") == [verdict]


def test_the_difference_of_the_paper_is_drawn_next_to_it(figure):
    """Table 1, RTE: 72.6 and 69.5."""
    assert values_of(figure, "difference", source="paper") == pytest.approx([3.1])


def test_methods_that_the_paper_lacks_have_no_difference_of_the_paper(figure):
    assert values_of(figure, "method", source="paper") == ["reinit"]


@pytest.mark.parametrize(
    "text",
    [
        "Of 2 comparisons, 1 significantly higher, 0 significantly lower, 1 inconclusive",
        "Largest difference of mean test scores: reinit on RTE against standard, +10.0 points",
        "that the paper prints, which have the same sign in 1 of 1 comparison.",
    ],
)
def test_the_caption_states_what_stands_out(figure, text):
    assert text in figure.caption


def test_a_difference_of_the_other_sign_than_the_papers_is_counted():
    figure = draw_one(DIFFERENCES, make({"reinit": -0.1}))
    assert "the same sign in 0 of 1 comparison." in figure.caption


def test_the_baseline_is_in_the_title(figure):
    assert figure.title == "Differences of mean test scores from standard 3epochs"


def test_too_few_runs_are_an_obstacle():
    assert DIFFERENCES.obstacle(make({"reinit": 0.1}, n=2)) == (
        "no cell can be compared with its baseline (2 runs, fewer than 5)"
    )


def test_a_report_without_baseline_is_an_obstacle():
    cell = make_cell(method="sam")
    assert DIFFERENCES.obstacle(make_basis([cell], [make_record(cell)])) == (
        "needs runs of a method and of its baseline"
    )
