"""Mean and range of curves, by hand."""

import numpy as np
import pytest

from stablebert.report.statistics.curves import summarize_curves
from tests.helpers.histories import make_history

NAN = np.nan


def summarize(*runs, steps=(5, 10)):
    return summarize_curves([make_history(steps, x=values)["x"] for values in runs])


RUNS = ([1, 4], [3, 2], [8, 9])


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("steps", [5, 10]),
        ("mean", [4, 5]),
        ("low", [1, 2]),
        ("high", [8, 9]),
        ("lowest", [0, 1]),
        ("highest", [2, 2]),
        ("n", [3, 3]),
    ],
)
def test_a_curve_has_mean_and_range_at_every_step(field, expected):
    assert getattr(summarize(*RUNS), field).tolist() == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [("mean", [2, 3]), ("low", [1, 2]), ("high", [3, 4]), ("lowest", [0, 1]), ("n", [2, 2])],
)
def test_values_that_are_not_finite_count_nowhere(field, expected):
    assert getattr(summarize([1, 4], [3, 2], [NAN, np.inf]), field).tolist() == expected


def test_steps_without_a_finite_value_are_left_out():
    assert summarize([1, NAN], [3, NAN]).steps.tolist() == [5]


def test_runs_may_have_logged_at_other_steps():
    series = [make_history(steps, x=[1, 2])["x"] for steps in ([1, 2], [2, 3])]
    curve = summarize_curves(series)
    assert list(zip(curve.steps, curve.mean, curve.n, strict=True)) == [
        (1, 1, 1),
        (2, 1.5, 2),
        (3, 2, 1),
    ]
