"""Standard deviations over seeds in two parts."""

from math import sqrt

import pytest

from stablebert.report.figures.base import UnavailableError
from stablebert.report.figures.noise import NOISE_KIND
from tests.helpers.figures import draw_one, make_basis, rows_of, values_of
from tests.helpers.predicted_runs import HITS, certain_logits, make_runs, store_predictions
from tests.helpers.records import make_cell, make_record

SD = 100 * sqrt(0.08125)
NOISE = 0.03125 / 0.08125
"""Share of the noise: the true variance of `HITS` is 0.05."""


def make(root, hits=HITS, task="rte"):
    cell = make_cell(task, seeds=range(len(hits)))
    records, predictions = make_runs(cell, certain_logits(hits))
    return make_basis([cell], records, roots=[store_predictions(root, predictions)])


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    return draw_one(NOISE_KIND, make(tmp_path_factory.mktemp("noise")))


def test_the_length_of_a_bar_is_the_standard_deviation(figure):
    assert sum(values_of(figure, "length")) == pytest.approx(SD, abs=1e-3)


@pytest.mark.parametrize(
    ("part", "share"), [("test-set noise", NOISE), ("true differences", 1 - NOISE)]
)
def test_the_parts_are_the_shares_of_the_variance(figure, part, share):
    assert values_of(figure, "length", part=part) == pytest.approx([share * SD], abs=1e-3)


@pytest.mark.parametrize(
    ("column", "value"),
    [("sd", SD), ("noise_sd", 100 * sqrt(0.03125)), ("true_sd", 100 * sqrt(0.05)), ("n", 5)],
)
def test_hovering_shows_the_number(figure, column, value):
    assert values_of(figure, column)[0] == pytest.approx(value, abs=1e-3)


def test_without_differences_of_runs_all_is_noise(tmp_path):
    hits = [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]]
    figure = draw_one(NOISE_KIND, make(tmp_path, hits))
    assert values_of(figure, "length") == [0, 0]
    assert "Noise is 100% of the variance" in figure.caption


def test_the_caption_states_the_share_of_noise(figure):
    assert "Noise is 38% of the variance of standard on RTE, the least" in figure.caption


def test_records_without_predictions_are_an_obstacle():
    cell = make_cell(seeds=range(5))
    basis = make_basis([cell], [make_record(cell, i) for i in range(5)])
    assert NOISE_KIND.obstacle(basis).startswith("needs 5 runs of a cell with predictions")


def test_predictions_that_are_absent_give_no_figure(tmp_path):
    cell = make_cell(seeds=range(5))
    records, _ = make_runs(cell, certain_logits(HITS))
    with pytest.raises(UnavailableError, match="without valid predictions next to them: 5 of 5"):
        NOISE_KIND.draw(make_basis([cell], records, roots=[tmp_path]))


def test_each_bar_has_both_parts_in_order(figure):
    assert [(row["part"], row["order"]) for row in rows_of(figure)] == [
        ("test-set noise", 0),
        ("true differences", 1),
    ]
