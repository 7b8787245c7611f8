"""Scores by both seeds, with margins."""

import pytest

from stablebert.report.figures.heat_map import HEAT_MAP
from tests.helpers.figures import draw_one, make_basis, rows_of, values_of
from tests.helpers.records import make_cell, make_record

SCORES = {(0, 0): 0.1, (0, 1): 0.2, (1, 0): 0.3, (1, 1): 0.5}
"""Validation scores by seed_init and seed_data."""


def make(pairs=SCORES, **changes):
    cell = make_cell(seeds=tuple(SCORES))
    records = [make_record(cell, pair, 0.9, val=SCORES[pair], **changes) for pair in pairs]
    return make_basis([cell], records)


@pytest.fixture(scope="module")
def figure():
    return draw_one(HEAT_MAP, make())


@pytest.mark.parametrize(("pair", "score"), SCORES.items())
def test_the_validation_score_of_each_pair_is_shown(figure, pair, score):
    init, data = map(str, pair)
    assert values_of(figure, "score", init=init, data=data) == pytest.approx([100 * score])


@pytest.mark.parametrize(
    ("place", "score"),
    [
        ({"init": "0", "data": "mean"}, 15),
        ({"init": "1", "data": "mean"}, 40),
        ({"init": "mean", "data": "0"}, 20),
        ({"init": "mean", "data": "1"}, 35),
        ({"init": "mean", "data": "mean"}, 27.5),
        ({"init": "0", "data": "SD"}, 7.0711),  # sqrt(50)
        ({"init": "1", "data": "SD"}, 14.1421),
        ({"init": "SD", "data": "0"}, 14.1421),
        ({"init": "SD", "data": "1"}, 21.2132),
    ],
)
def test_margins_are_shown(figure, place, score):
    assert values_of(figure, "score", **place) == pytest.approx([score])


def test_text_is_white_on_the_dark_half_of_the_scores(figure):
    assert {row["score"]: row["dark"] for row in rows_of(figure, kind="run")} == pytest.approx(
        {10: True, 20: True, 30: False, 50: False}
    )


def test_failed_runs_are_marked():
    figure = draw_one(HEAT_MAP, make(status="failed"))
    assert len(rows_of(figure, status="failed")) == 4
    assert "Frames mark failed runs." in figure.caption


def test_the_caption_states_the_margins(figure):
    text = (
        "standard on RTE: 10.0 to 50.0, mean 27.5; means of a seed_init from 15.0 to 40.0, of a "
        "seed_data from 20.0 to 35.0."
    )
    assert text in figure.caption


def test_a_missing_pair_is_an_obstacle():
    assert "3 of 4 runs" in HEAT_MAP.obstacle(make(list(SCORES)[:3]))


def test_a_single_seed_per_run_is_an_obstacle():
    cell = make_cell(seeds=(0, 1))
    basis = make_basis([cell], [make_record(cell, i) for i in range(2)])
    assert HEAT_MAP.obstacle(basis).startswith("needs every combination of several seed_init")


def test_each_cell_is_a_panel():
    cells = [make_cell(method=method, seeds=tuple(SCORES)) for method in ("standard", "reinit")]
    records = [make_record(cell, pair, x) for cell in cells for pair, x in SCORES.items()]
    figure = draw_one(HEAT_MAP, make_basis(cells, records))
    assert figure.specification["facet"]["sort"] == ["RTE: standard", "RTE: reinit"]
