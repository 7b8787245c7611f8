"""Validation scores by the number of re-initialized layers."""

import pytest

from stablebert.report.figures.depth import DEPTH, DEPTH_KIND
from tests.helpers.figures import draw_one, encodings_of, make_basis, values_of
from tests.helpers.records import make_cell, make_record

SCORES = {None: 0.6, 0: 0.7, 2: 0.9, 10: 0.8}
"""Validation scores by depth, None for `standard`."""


def make(depths=SCORES, **changes):
    cells = [
        make_cell(method="standard", **changes)
        if depth is None
        else make_cell(method="reinit", **{DEPTH: depth}, **changes)
        for depth in depths
    ]
    records = [
        make_record(cell, i, 0.1, val=SCORES[depth] + i / 50)
        for cell, depth in zip(cells, depths, strict=True)
        for i in range(2)
    ]
    return make_basis(cells, records)


@pytest.fixture(scope="module")
def figure():
    return draw_one(DEPTH_KIND, make())


@pytest.mark.parametrize(
    ("depth", "scores"),
    [("standard", [60, 62]), ("pooler", [70, 72]), ("2", [90, 92]), ("10", [80, 82])],
)
def test_validation_scores_are_by_depth(figure, depth, scores):
    assert values_of(figure, "score", kind="run", depth=depth) == pytest.approx(scores)


def test_means_are_by_depth(figure):
    assert values_of(figure, "score", kind="mean") == pytest.approx([61, 71, 91, 81])


def test_depths_are_in_the_order_of_numbers():
    figure = draw_one(DEPTH_KIND, make([10, 2, None, 0]))
    orders = [x["sort"] for x in encodings_of(figure.specification, "x")]
    assert orders
    assert all(order == ["standard", "pooler", "2", "10"] for order in orders)


def test_the_caption_states_the_best_depth(figure):
    assert "Highest mean: RTE 2." in figure.caption


def test_a_sweep_without_depths_is_an_obstacle():
    assert DEPTH_KIND.obstacle(make([None])).startswith(f"needs runs at two values of {DEPTH}")


def test_other_parameters_that_vary_are_an_obstacle():
    cells = [make_cell(method="reinit", **{DEPTH: i, "optimizer.lr": i / 10}) for i in (1, 2)]
    basis = make_basis(cells, [make_record(cell) for cell in cells])
    assert DEPTH_KIND.obstacle(basis) == (
        "needs cells that differ in reinit.num_layers only, but optimizer.lr varies"
    )


def test_standard_with_reinitialized_layers_is_not_shown_as_standard():
    cells = [make_cell(**{DEPTH: 3}), *(make_cell(method="reinit", **{DEPTH: i}) for i in (1, 2))]
    basis = make_basis(cells, [make_record(cell) for cell in cells])
    assert set(values_of(draw_one(DEPTH_KIND, basis), "depth")) == {"1", "2"}
