"""Figure of training lengths: its numbers are those of the records."""

from dataclasses import replace

import pytest

from stablebert.report.figures.lengths import LENGTH
from tests.helpers.figures import draw_one, make_basis, rows_of
from tests.helpers.records import make_cell, make_record

SCORES = {
    ("standard", "3epochs"): (0.5, 0.7),
    ("standard", "longer"): (0.7, 0.9),
    ("reinit", "3epochs"): (0.7, 0.8),
    ("reinit", "longer"): (0.8, 0.9),
}
"""Validation scores of seeds 0 and 1."""
STEPS = {"3epochs": 96, "longer": 200}


def make_records(cell, scores):
    return [
        replace(make_record(cell, seed, score), steps=STEPS[cell.length])
        for seed, score in enumerate(scores)
    ]


@pytest.fixture(scope="module")
def figure():
    cells, records = [], []
    for (method, length), scores in SCORES.items():
        cells.append(make_cell(method=method, length=length))
        records += make_records(cells[-1], scores)
    return draw_one(LENGTH, make_basis(cells, records))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("step", [96, 200]),
        ("mean", [60, 80]),
        ("low", [50, 70]),
        ("high", [70, 90]),
        ("high_seed", ["1", "1"]),
        ("n", [2, 2]),
        ("run_step", [96, 96, 200, 200]),
        ("score", [50, 70, 70, 90]),
        ("seed", ["0", "1", "0", "1"]),
    ],
)
def test_a_curve_has_the_scores_of_a_method_by_the_steps_of_its_runs(figure, column, expected):
    (row,) = rows_of(figure, row="standard")
    assert row[column] == expected


def test_there_is_one_curve_per_method(figure):
    assert [row["row"] for row in rows_of(figure)] == ["standard", "reinit"]


def test_the_caption_tells_the_largest_change(figure):
    expected = "Largest change: standard on RTE, 60.0 after 96 steps and 80.0 after 200."
    assert expected in figure.caption


def test_the_caption_tells_how_the_gap_changes(figure):
    assert (
        "The gap between reinit and standard is +15.0 points with the fewest steps and +5.0 with "
        "the most, on average over 1 task; it shrinks on 1."
    ) in figure.caption


def test_numbers_of_steps_may_come_from_a_parameter():
    cells = [make_cell(**{"trainer.max_steps": n}) for n in (96, 200)]
    records = [
        replace(make_record(cell, 0, 0.7), steps=steps)
        for cell, steps in zip(cells, (96, 200), strict=True)
    ]
    (row,) = rows_of(draw_one(LENGTH, make_basis(cells, records)))
    assert (row["step"], row["row"]) == ([96, 200], "standard")


def test_runs_of_one_length_are_no_figure():
    cell = make_cell()
    obstacle = LENGTH.obstacle(make_basis([cell], make_records(cell, (0.5, 0.7))))
    assert obstacle == "needs runs of the same method with two numbers of steps or more"
