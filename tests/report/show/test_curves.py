"""Panels of what runs logged, against values by hand."""

import numpy as np
import pytest

from stablebert.report.show.curves import panels_of_run, panels_of_runs
from stablebert.runs.history import parse_history
from tests.helpers.records import make_cell, make_record

LINES = b"""\
{"step": 1, "train/loss": 0.75, "train/lr": 0.0, "bias_ratio/all": 3, "bias_ratio/analytic": 3.25}
{"step": 5, "train/loss": null, "val/score": 0.5, "val/loss": 0.625, \
"weight_change/embeddings": 1, "weight_change/layer_00": 2, "weight_change/pooler": 4, \
"weight_change_relative/pooler": 9}
{"step": 9, "train/loss": 0.25, "val/score": 0.75, "weight_change/embeddings": 1.5, \
"weight_change/layer_00": 2.5, "weight_change/pooler": null}
"""
HISTORY = parse_history(LINES)


def points_of(panel):
    return {line.name: list(zip(line.x, line.y, strict=True)) for line in panel.lines}


def panels(record=None):
    return {panel.title: points_of(panel) for panel in panels_of_run(HISTORY, record)}


def test_losses_are_drawn_without_the_steps_where_they_are_no_number():
    assert panels()["loss"] == {
        "training": [(1, 0.75), (9, 0.25)],
        "validation": [(5, 0.625)],
    }


def test_the_measured_bias_ratio_is_drawn_with_the_analytic_one():
    assert panels()["bias ratio"] == {"measured": [(1, 3)], "analytic": [(1, 3.25)]}


def test_scores_are_drawn_x_100_with_that_of_the_majority_class():
    assert panels(make_record(make_cell()))["validation score x 100"] == {
        "run": [(5, 50), (9, 75)],
        "chance": [(5, pytest.approx(52.9)), (9, pytest.approx(52.9))],
    }


def test_the_last_weight_change_is_drawn_by_layer_in_the_order_of_the_model():
    panel = panels_of_run(HISTORY, None)[-1]
    assert panel.names == ["embeddings", "0", "pooler"]
    assert points_of(panel) == {"weight change": [(0, 1.5), (1, 2.5)]}


def test_two_runs_have_a_line_each():
    other = {"val/score": HISTORY["val/loss"]}
    drawn = {p.title: points_of(p) for p in panels_of_runs({"A": HISTORY, "B": other})}
    assert drawn["validation score x 100"] == {"A": [(5, 50), (9, 75)], "B": [(5, 62.5)]}
    assert list(drawn["training loss"]) == ["A"]


def test_quantities_that_were_not_logged_have_no_panel():
    assert panels_of_run({}, make_record(make_cell())) == []
    nothing = parse_history(b'{"step": 1, "val/score": null}\n')
    assert panels_of_run(nothing, make_record(make_cell())) == []


def test_layers_of_two_models_share_the_axis():
    large = dict.fromkeys(("weight_change/layer_00",), HISTORY["train/loss"])
    small = dict.fromkeys(("weight_change/embeddings",), HISTORY["val/score"])
    (panel,) = panels_of_runs({"A": large, "B": small})
    assert panel.names == ["0", "embeddings"]
    assert points_of(panel) == {"A": [(0, 0.25)], "B": [(1, 0.75)]}
    assert all(np.isfinite(line.y).all() for line in panel.lines)
