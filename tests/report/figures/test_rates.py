"""Validation scores against the learning rate."""

import pytest

from stablebert.report.figures.rates import RATES_KIND
from tests.helpers.figures import draw_one, make_basis, rows_of, values_of
from tests.helpers.records import make_cell, make_record

VALIDATION = {"bert_adam": {"1e-4": 0.7, "2e-4": 0.6}, "standard": {"1e-4": 0.6, "2e-4": 0.8}}


def make(validation=VALIDATION):
    cells = [
        make_cell(method=method, **{"optimizer.lr": rate})
        for method, by_rate in validation.items()
        for rate in by_rate
    ]
    records = [
        make_record(
            cell,
            i,
            val=validation[cell.method][cell.params["optimizer.lr"]] + (0.02, -0.02)[i],
            status="failed" if cell.params["optimizer.lr"] == "2e-4" and i else "ok",
        )
        for cell in cells
        for i in range(2)
    ]
    return make_basis(cells, records)


@pytest.fixture(scope="module")
def figure():
    return draw_one(RATES_KIND, make())


@pytest.mark.parametrize(
    ("method", "rate", "scores"),
    [("bert_adam", 1e-4, [72, 68]), ("standard", 1e-4, [62, 58]), ("standard", 2e-4, [82, 78])],
)
def test_every_run_is_at_its_rate(figure, method, rate, scores):
    runs = [r for r in rows_of(figure, method=method, rate=rate) if r["kind"] != "mean"]
    assert [run["score"] for run in runs] == pytest.approx(scores)


def test_means_are_those_of_the_runs(figure):
    assert values_of(figure, "score", kind="mean") == pytest.approx([70, 60, 60, 80])


def test_the_best_rate_of_each_method_is_marked(figure):
    assert [(r["method"], r["rate"]) for r in rows_of(figure, best=True)] == [
        ("bert_adam", 1e-4),
        ("standard", 2e-4),
    ]


def test_a_rate_that_is_almost_as_good_as_the_best_is_not_marked():
    figure = draw_one(RATES_KIND, make({"standard": {"1e-4": 0.795, "2e-4": 0.8}}))
    assert values_of(figure, "rate", best=True) == [2e-4]


def test_failed_runs_are_marked(figure):
    assert len(rows_of(figure, kind="failed run")) == 2


def test_methods_at_the_same_rate_are_side_by_side(figure):
    places = [values_of(figure, "position", rate=1e-4, method=m)[0] for m in VALIDATION]
    assert places[0] < 1e-4 < places[1]
    assert places[0] * places[1] == pytest.approx(1e-8)


def test_the_rate_is_not_a_part_of_the_names_of_lines(figure):
    assert set(values_of(figure, "row")) == {"bert_adam", "standard"}


def test_the_caption_states_the_best_rates(figure):
    text = (
        "Best rates: bert_adam on RTE 0.0001 (70.0, at the edge of the grid); standard on RTE "
        "0.0002 (80.0, at the edge of the grid)."
    )
    assert text in figure.caption


def test_a_sweep_of_one_rate_is_an_obstacle():
    reason = RATES_KIND.obstacle(make({"standard": {"1e-4": 0.6}}))
    assert reason == "needs several values of optimizer.lr, such as in the sweep rate_optimizer"
