"""Time until a run reaches a score, and scores against the time of a run."""

import pytest

from stablebert.report.figures.cost import COST_KIND
from tests.helpers.figures import draw_one, make_basis, rows_of, values_of
from tests.helpers.records import make_cell, make_record


def make(reached, seconds=60.0, **changes):
    """Ten runs per method, of which some reach a validation score of 80."""
    cells = [make_cell(method=method, seeds=range(10)) for method in reached]
    records = [
        make_record(
            c,
            i,
            0.6 + i / 50,
            val=0.8 if i < reached[c.method] else 0.5,
            seconds={"train": seconds + (i - 4.5), "test": 0.0},
            **changes,
        )
        for c in cells
        for i in range(10)
    ]
    return make_basis(cells, records, target=80.0)


@pytest.fixture(scope="module")
def basis():
    return make({"standard": 5, "reinit": 0, "sam": 1})


@pytest.fixture(scope="module")
def figure(basis):
    return draw_one(COST_KIND, basis, "cost")


@pytest.fixture(scope="module")
def scores(basis):
    return draw_one(COST_KIND, basis, "cost-score")


def test_the_time_is_that_of_enough_runs(figure):
    # 1 - 0.5^5 is the first above .95, at one minute per run
    assert values_of(figure, "minutes", method="standard") == pytest.approx([5])


def test_the_interval_is_that_of_the_share_of_runs(figure):
    # Clopper-Pearson: .187 to .813, so 15 runs to 2
    (row,) = rows_of(figure, method="standard")
    assert (row["low"], row["high"]) == pytest.approx((2, 15))


def test_a_target_that_no_run_reaches_has_no_time(figure):
    assert values_of(figure, "minutes", method="reinit") == [None]


def test_a_share_that_may_be_almost_zero_has_a_long_interval(figure):
    # Clopper-Pearson for 1 of 10 begins at .0025: 1,183 runs
    (row,) = rows_of(figure, method="sam")
    assert row["high"] == pytest.approx(1183, abs=1)


def test_hovering_shows_how_many_runs_reached_the_target(figure):
    assert values_of(figure, "reached", method="standard") == ["5 of 10 runs"]


@pytest.mark.parametrize(
    "text", ["Targets: RTE 80.0.", "No run reaches the target with reinit on RTE."]
)
def test_the_caption_states_the_target_and_who_misses_it(figure, text):
    assert text in figure.caption


def test_a_target_that_is_the_mean_of_a_cell_names_it():
    cells = [
        make_cell(method=m, length=n, seeds=range(5))
        for m, n in (("a", "3epochs"), ("b", "longer"))
    ]
    records = [make_record(c, i, val=0.5 + (c.method == "b") / 10) for c in cells for i in range(5)]
    figure = draw_one(COST_KIND, make_basis(cells, records), "cost")
    assert "Targets: RTE 60.0, the mean of b longer." in figure.caption


def test_many_cells_that_miss_the_target_are_counted():
    figure = draw_one(COST_KIND, make(dict.fromkeys("abcde", 0) | {"f": 10}), "cost")
    assert "No run reaches the target in 5 of 6 cells." in figure.caption


@pytest.mark.parametrize(("column", "value"), [("score", 69), ("seconds", 60)])
def test_a_point_has_the_mean_score_and_the_mean_time(scores, column, value):
    assert values_of(scores, column, method="standard") == pytest.approx([value])


def test_the_caption_states_the_times(scores):
    text = "A run takes from 60.0 s (standard on RTE) to 60.0 s (standard on RTE)."
    assert text in scores.caption


def test_times_of_different_devices_are_not_called_comparable():
    cells = [make_cell(method=m, seeds=range(5)) for m in "ab"]
    records = [make_record(c, i, device=f"GPU {c.method}") for c in cells for i in range(5)]
    figure = draw_one(COST_KIND, make_basis(cells, records), "cost-score")
    assert figure.caption.endswith("Times are not comparable: devices differ.")


def test_too_few_runs_are_an_obstacle():
    cell = make_cell()
    basis = make_basis([cell], [make_record(cell, i) for i in range(2)])
    assert COST_KIND.obstacle(basis).startswith("needs 5 runs of a cell")
