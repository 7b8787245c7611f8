"""Scores of every run, one box per cell."""

import pytest

from stablebert.report.figures.distribution import DISTRIBUTION
from stablebert.report.figures.save import render_figure
from stablebert.report.figures.style import FAILED
from tests.helpers.figures import draw_one, encodings_of, make_basis, rows_of, values_of
from tests.helpers.records import make_cell, make_record

SCORES = {"standard": (0.60, 0.70, 0.80), "reinit": (0.70, 0.72, 0.71)}


def draw(scores=SCORES, *, scale="mini", length="3epochs", tasks=("rte",), **params):
    cells = [
        make_cell(task, m, length, scale, seeds=range(3), **params)
        for task in tasks
        for m in scores
    ]
    records = [
        make_record(cell, i, x, val=0.5, status="failed" if x == 0.60 else "ok")
        for cell in cells
        for i, x in enumerate(scores[cell.method])
    ]
    return draw_one(DISTRIBUTION, make_basis(cells, records, name="table1"))


@pytest.fixture(scope="module")
def figure():
    return draw()


def test_every_run_is_a_point(figure):
    assert values_of(figure, "score", method="reinit", status="ok") == pytest.approx([70, 72, 71])


def test_failed_runs_are_marked(figure):
    (row,) = rows_of(figure, kind="failed run")
    assert (row["method"], row["seed"], row["score"]) == ("standard", "0", pytest.approx(60))


def test_failed_runs_are_drawn_in_a_color_of_their_own(figure):
    assert FAILED in render_figure(figure.specification, "svg").decode()


def test_each_kind_of_point_has_a_shape_of_its_own(figure):
    scale = encodings_of(figure.specification, "shape")[0]["scale"]
    assert scale["domain"] == ["run", "failed run", "mean", "paper's mean"]
    assert len(set(scale["range"])) == 4


@pytest.mark.parametrize(("method", "mean"), [("standard", 70), ("reinit", 71)])
def test_the_mean_of_each_cell_is_drawn(figure, method, mean):
    assert values_of(figure, "score", method=method, kind="mean") == pytest.approx([mean])


@pytest.mark.parametrize(("method", "mean"), [("standard", 69.5), ("reinit", 72.6)])
def test_the_mean_that_the_paper_prints_is_drawn(figure, method, mean):
    """Table 1, RTE."""
    assert values_of(figure, "score", method=method, kind="paper's mean") == [mean]


def test_without_a_number_of_the_paper_none_is_drawn():
    figure = draw({"sam": SCORES["standard"]})
    assert not rows_of(figure, kind="paper's mean")
    assert "paper" not in figure.caption


def test_the_paper_is_not_drawn_where_other_parameters_vary():
    cells = [make_cell(seeds=(0,), **{"optimizer.lr": rate}) for rate in (0.1, 0.2)]
    basis = make_basis(cells, [make_record(cell) for cell in cells])
    assert not rows_of(draw_one(DISTRIBUTION, basis), kind="paper's mean")


def test_each_task_is_a_panel():
    figure = draw(tasks=("rte", "cola"))
    assert figure.specification["facet"]["sort"] == ["RTE", "CoLA"]
    assert len(rows_of(figure, task="CoLA", status="ok")) == 5


def test_generated_tasks_are_named_as_such():
    assert set(values_of(draw(scale="demo"), "task")) == {"demo-rte"}


def test_a_run_shows_seed_score_status_and_folder(figure):
    fields = {f["field"] for tip in encodings_of(figure.specification, "tooltip") for f in tip}
    assert {"seed", "score", "status", "folder"} <= fields


def test_methods_are_in_the_order_of_the_report(figure):
    orders = [y["sort"] for y in encodings_of(figure.specification, "y")]
    assert orders
    assert all(order == ["standard", "reinit"] for order in orders)


def test_cells_without_runs_are_left_out():
    cells = [make_cell(seeds=(0,)), make_cell(method="reinit", seeds=(0,))]
    figure = draw_one(DISTRIBUTION, make_basis(cells, [make_record(cells[0])]))
    assert set(values_of(figure, "method")) == {"standard"}


def test_the_caption_explains_no_triangles_where_none_are_drawn():
    cells = [make_cell(method="sam", seeds=(0,)), make_cell(seeds=(0,))]
    figure = draw_one(DISTRIBUTION, make_basis(cells, [make_record(cells[0])], name="table1"))
    assert not rows_of(figure, kind="paper's mean")
    assert "Triangles" not in figure.caption


def test_without_runs_nothing_can_be_drawn():
    assert DISTRIBUTION.obstacle(make_basis([make_cell()], [])) == "needs finished runs"


@pytest.mark.parametrize(
    "text",
    [
        "6 runs in 2 cells, 3 per cell (seeds 0..2)",
        "1 of 6 runs failed, most with standard on RTE: 1 of 3.",
        "Widest spread: standard on RTE, standard deviation 10.0, from 60.0 to 80.0.",
        "of large models on real GLUE; only the direction of an effect is comparable.",
    ],
)
def test_the_caption_states_what_stands_out(figure, text):
    assert text in figure.caption
