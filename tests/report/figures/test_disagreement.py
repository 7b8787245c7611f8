"""How much predictions differ between seeds."""

import numpy as np
import pytest

from stablebert.report.figures.base import UnavailableError
from stablebert.report.figures.disagreement import DISAGREEMENT_KIND
from tests.helpers.figures import draw_one, make_basis, values_of
from tests.helpers.predicted_runs import HITS, certain_logits, make_runs, store_predictions
from tests.helpers.records import make_cell, make_record


def make(root, task, logits, labels=None):
    cell = make_cell(task, seeds=range(len(logits)))
    options = {} if labels is None else {"labels": labels}
    records, predictions = make_runs(cell, logits, **options)
    return make_basis([cell], records, roots=[store_predictions(root, predictions)])


@pytest.fixture(scope="module")
def figure(tmp_path_factory):
    basis = make(tmp_path_factory.mktemp("classes"), "rte", certain_logits(HITS))
    return draw_one(DISAGREEMENT_KIND, basis)


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    predictions = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]])[:, :, None]
    basis = make(tmp_path_factory.mktemp("scores"), "stsb", predictions, np.array([0.0, 1.0, 2.0]))
    return draw_one(DISAGREEMENT_KIND, basis)


def test_the_share_of_rows_on_which_two_runs_differ_is_drawn(figure):
    # of the 10 pairs of runs, 0, 4, 6, and 4 differ on the four rows
    assert values_of(figure, "value") == pytest.approx([35])


@pytest.mark.parametrize(("column", "value"), [("n", 5), ("mean_run", 65), ("ensemble", 75)])
def test_hovering_shows_the_number(figure, column, value):
    assert values_of(figure, column) == pytest.approx([value])


def test_a_regression_has_a_figure_of_its_own(regression):
    assert regression.name == "disagreement-regression"


def test_the_spread_of_predictions_is_drawn_for_a_regression(regression):
    assert values_of(regression, "value") == pytest.approx([1.4142])  # sqrt(2) for each row


def test_the_caption_states_what_stands_out(figure):
    text = (
        "Most: standard on RTE (35.00%); least: standard on RTE (35.00%). The ensemble of all runs "
        "gains most over the mean run with standard on RTE: +10.0 points."
    )
    assert text in figure.caption


def test_records_without_predictions_are_an_obstacle():
    cell = make_cell()
    basis = make_basis([cell], [make_record(cell, i) for i in range(2)])
    assert DISAGREEMENT_KIND.obstacle(basis).startswith("needs 2 runs of a cell with predictions")


def test_predictions_that_are_absent_are_reported(tmp_path):
    cell = make_cell(seeds=range(5))
    records, _ = make_runs(cell, certain_logits(HITS))
    with pytest.raises(UnavailableError, match="without valid predictions next to them: 5 of 5"):
        DISAGREEMENT_KIND.draw(make_basis([cell], records, roots=[tmp_path]))
