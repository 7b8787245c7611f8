"""Expected score of the best of k runs by validation."""

import pytest

from stablebert.report.figures.best_of_k import BEST_OF_K
from tests.helpers.figures import draw_one, make_basis, rows_of, values_of
from tests.helpers.records import make_cell, make_record

VALIDATION = (0.1, 0.2, 0.3, 0.4, 0.5)
TEST = (0.50, 0.40, 0.30, 0.20, 0.10)


def make(methods=("standard", "bert_adam"), n=5, **changes):
    cells = [make_cell(method=method, seeds=range(n)) for method in methods]
    records = [
        make_record(c, i, TEST[i] if c.method == "standard" else 0.2, val=VALIDATION[i], **changes)
        for c in cells
        for i in range(n)
    ]
    return make_basis(cells, records)


@pytest.fixture(scope="module")
def basis():
    return make()


@pytest.fixture(scope="module")
def figure(basis):
    return draw_one(BEST_OF_K, basis, "best_of_k")


@pytest.fixture(scope="module")
def validation(basis):
    return draw_one(BEST_OF_K, basis, "best_of_k-validation")


def test_there_is_one_row_per_number_of_runs(figure):
    assert values_of(figure, "k", row="standard") == [1, 2, 3, 4, 5]


def test_one_run_has_the_mean_and_the_spread_of_all(figure):
    (row,) = rows_of(figure, row="standard", k=1)
    assert (row["score"], row["sd"]) == pytest.approx((30, 14.1421))  # sqrt(200)


def test_the_best_of_two_by_validation_is_expected(figure):
    # of 25 draws, run r is the best of 2 r - 1: (1 * 50 + 3 * 40 + 5 * 30 + 7 * 20 + 9 * 10) / 25
    (row,) = rows_of(figure, row="standard", k=2)
    assert row["score"] == pytest.approx(22)


def test_validation_scores_are_expected_in_the_other_figure(validation):
    # (1 * 10 + 3 * 20 + 5 * 30 + 7 * 40 + 9 * 50) / 25
    (row,) = rows_of(validation, row="standard", k=2)
    assert row["score"] == pytest.approx(38)


def test_the_band_is_a_standard_deviation_around_the_mean(figure):
    (row,) = rows_of(figure, row="standard", k=1)
    assert (row["low"], row["high"]) == pytest.approx((15.8579, 44.1421))


@pytest.mark.parametrize(("score", "bound"), [("low", 10), ("high", 50)])
def test_the_band_stays_within_the_scores_of_the_runs(figure, validation, score, bound):
    # test scores fall with k, and validation scores rise: 14.2 - 6.6 and 45.8 + 6.6 without limits
    (row,) = rows_of(figure if score == "low" else validation, row="standard", k=5)
    assert row[score] == pytest.approx(bound)


def test_the_caption_states_the_widest_gap(figure):
    # of 5^5 draws, run r is the best of r^5 - (r - 1)^5: 1, 31, 211, 781, 2101
    # (1 * 50 + 31 * 40 + 211 * 30 + 781 * 20 + 2101 * 10) / 3125 = 14.2
    text = "The best of 5 differs most on RTE: 20.0 with bert_adam, 14.2 with standard."
    assert text in figure.caption


def test_too_few_runs_are_an_obstacle():
    assert (
        BEST_OF_K.obstacle(make(n=4)) == "needs 5 runs of a cell that seed pruning did not select"
    )


def test_runs_that_pruning_selected_are_an_obstacle():
    basis = make(methods=("standard",), pruned_from=[[0, 0], [99, 99]])
    assert "seed pruning" in BEST_OF_K.obstacle(basis)


def test_more_lines_than_one_can_tell_apart_are_an_obstacle():
    basis = make(methods=[f"m{i}" for i in range(9)])
    assert BEST_OF_K.obstacle(basis) == (
        "needs at most 8 rows per task, but the report has 9; select some with arguments such as "
        "method=m0"
    )
