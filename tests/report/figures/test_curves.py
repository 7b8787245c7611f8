"""Figures of convergence: their numbers are those of the histories."""

from dataclasses import replace

import numpy as np
import pytest

from stablebert.report.figures.base import UnavailableError
from stablebert.report.figures.curves import CONVERGENCE
from tests.helpers.figures import draw_one, encodings_of, make_basis, rows_of
from tests.helpers.histories import make_history, store_histories
from tests.helpers.records import make_cell, make_record

SEEDS = range(5)
STANDARD, REINIT = (make_cell(method=method, seeds=SEEDS) for method in ("standard", "reinit"))
SCORES = {"standard": [0.5, 0.6, 0.9], "reinit": [0.7, 0.9, 0.9]}
"""Validation scores at steps 9, 18, and 96; seed s adds s / 100."""


def run_history(method, seed):
    scores = [score + seed / 100 for score in SCORES[method]]
    return {
        **make_history([9, 18, 96], val__score=scores),
        **make_history([1, 9, 18, 96], train__loss=[9, 0.7 - seed / 10, 0.5, 0.1 * seed]),
    }


@pytest.fixture(scope="module")
def basis(tmp_path_factory):
    """Basis with five runs of each method, of which the last one of standard failed."""
    records, histories = [], {}
    for cell in (STANDARD, REINIT):
        for seed in SEEDS:
            is_failed = cell is STANDARD and seed == 4
            history = run_history(cell.method, seed)
            best = float(history["val/score"].values[2])
            record = make_record(cell, seed, best, val_best_step=96)
            records.append(replace(record, status="failed" if is_failed else "ok"))
            histories[record.key] = history
    root = store_histories(tmp_path_factory.mktemp("results"), histories)
    return make_basis([STANDARD, REINIT], records, roots=[root])


@pytest.fixture(scope="module")
def scores(basis):
    return draw_one(CONVERGENCE, basis, "convergence")


@pytest.fixture(scope="module")
def losses(basis):
    return draw_one(CONVERGENCE, basis, "convergence-loss")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("step", [9, 18, 96]),
        ("mean", [52, 62, 92]),
        ("low", [50, 60, 90]),
        ("high", [54, 64, 94]),
        ("low_seed", ["0", "0", "0"]),
        ("high_seed", ["4", "4", "4"]),
        ("n", [5, 5, 5]),
    ],
)
def test_the_curve_is_the_mean_score_with_the_range_of_the_runs(scores, column, expected):
    (row,) = rows_of(scores, row="standard")
    assert row[column] == pytest.approx(expected)


def test_runs_are_points_at_their_best_validations(scores):
    (row,) = rows_of(scores, row="standard")
    assert row["run_step"] == [96] * 5
    assert row["score"] == pytest.approx([90, 91, 92, 93, 94], abs=1e-4)


def test_failed_runs_are_marked(scores):
    (row,) = rows_of(scores, row="standard")
    assert row["kind"] == ["run"] * 4 + ["failed run"]


@pytest.mark.parametrize("field", ["row", "seed", "score", "status", "folder"])
def test_hovering_over_a_run_shows_it(scores, field):
    tooltips = encodings_of(scores.specification, "tooltip")
    assert any({"seed", "score"} <= {t["field"] for t in own} for own in tooltips)
    assert any(field in {t["field"] for t in own} for own in tooltips)


def test_losses_are_shown_at_validations_only(losses):
    (row,) = rows_of(losses, row="standard")
    assert row["step"] == [9, 18, 96]


def test_the_loss_is_the_mean_over_runs(losses):
    (row,) = rows_of(losses, row="reinit")
    assert row["mean"] == pytest.approx([0.5, 0.5, 0.2])


def test_the_caption_tells_how_fast_the_methods_are(scores):
    # the target is 0.529 + 0.9 (0.92 - 0.529) = 0.8809, which reinit passes at step 18
    assert (
        "Clearest difference of speed, to 90% of the final gain over the majority class "
        "(validation score 88.1): reinit on RTE, median step 18; standard, median step 96; faster "
        "with 5 and slower with 0 of 5 seeds (sign test, p .062, not corrected for 1 comparison)."
    ) in scores.caption


def test_the_caption_tells_where_losses_differ_most(losses):
    assert "Widest range at the end: standard on RTE, from 0.000 to 0.400." in losses.caption


def test_the_caption_counts_failed_runs(scores):
    assert "1 of 10 runs failed, most with standard on RTE: 1 of 5." in scores.caption


def test_the_caption_counts_runs_without_a_history(tmp_path):
    records = [make_record(STANDARD, seed, val_best_step=96, val=0.9) for seed in (0, 1)]
    root = store_histories(tmp_path, {records[0].key: run_history("standard", 0)})
    figure = draw_one(CONVERGENCE, make_basis([STANDARD], records, roots=[root]), "convergence")
    assert "Without a valid history: 1 of 2 runs." in figure.caption


def test_without_histories_there_is_no_figure(tmp_path):
    basis = make_basis([STANDARD], [make_record(STANDARD)], roots=[tmp_path])
    with pytest.raises(UnavailableError, match="without a valid history next to them: 1 of 1"):
        CONVERGENCE.draw(basis)


def test_without_runs_there_is_no_figure():
    assert CONVERGENCE.obstacle(make_basis([STANDARD], [])) == "needs a cell with runs"


@pytest.mark.parametrize(
    ("quantity", "figures"),
    [("val__score", ["convergence-loss"]), ("train__loss", ["convergence"])],
)
def test_a_quantity_that_is_never_a_number_is_no_figure(tmp_path, quantity, figures):
    record = make_record(STANDARD, 0, 0, val_best_step=None)
    history = run_history("standard", 0) | make_history([9, 96], **{quantity: [np.nan, np.nan]})
    root = store_histories(tmp_path, {record.key: history})
    drawn = CONVERGENCE.draw(make_basis([STANDARD], [record], roots=[root]))
    assert [figure.name for figure in drawn] == figures


def test_runs_that_logged_no_number_are_no_figure(tmp_path):
    record = make_record(STANDARD, 0, 0, val_best_step=None)
    nothing = [np.nan, np.nan]
    history = make_history([9, 96], val__score=nothing, train__loss=nothing)
    root = store_histories(tmp_path, {record.key: history})
    with pytest.raises(UnavailableError, match="no run logged a validation score or training loss"):
        CONVERGENCE.draw(make_basis([STANDARD], [record], roots=[root]))


def test_losses_that_are_not_finite_are_left_out(tmp_path):
    record = make_record(STANDARD, 0, 0.9, val_best_step=96)
    history = {**run_history("standard", 0)}
    history |= make_history([9, 18, 96], train__loss=[1, np.nan, 0.5])
    root = store_histories(tmp_path, {record.key: history})
    figure = draw_one(
        CONVERGENCE, make_basis([STANDARD], [record], roots=[root]), "convergence-loss"
    )
    assert rows_of(figure)[0]["step"] == [9, 96]
