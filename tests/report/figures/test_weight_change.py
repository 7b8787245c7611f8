"""Figures of the weight change per layer: their numbers are those of the histories."""

import pytest

from stablebert.report.figures.base import UnavailableError
from stablebert.report.figures.weight_change import WEIGHT_CHANGE
from tests.helpers.figures import make_basis, rows_of, values_of
from tests.helpers.histories import make_history, store_histories
from tests.helpers.records import make_cell, make_record

TASKS, METHODS = ("rte", "cola"), ("standard", "reinit")


def run_history(method, seed):
    top = {"standard": 2, "reinit": 1}[method] + seed
    return make_history(
        [9, 96],
        val__score=[0.7, 0.7],
        weight_change__pooler=[0, 0.5],
        weight_change__layer_00=[0.5, 1],
        weight_change__layer_10=[1, top],
        weight_change__embeddings=[0, 0.25],
    )


@pytest.fixture(scope="module")
def basis(tmp_path_factory):
    """Basis with seeds 0 and 1 of two methods on two tasks."""
    cells = [make_cell(task, method) for task in TASKS for method in METHODS]
    records = [make_record(cell, seed) for cell in cells for seed in (0, 1)]
    histories = {r.key: run_history(r.method, r.seed) for r in records}
    root = store_histories(tmp_path_factory.mktemp("results"), histories)
    return make_basis(cells, records, roots=[root])


@pytest.fixture(scope="module")
def figures(basis):
    assert WEIGHT_CHANGE.obstacle(basis) == ""
    return {figure.name: figure for figure in WEIGHT_CHANGE.draw(basis)}


def test_there_is_one_figure_per_task(figures):
    assert list(figures) == ["weight_change-rte", "weight_change-cola"]


def test_layers_are_in_the_order_of_the_model(figures):
    layers = values_of(figures["weight_change-rte"], "layer", row="reinit")
    assert layers == ["embeddings", "layer_00", "layer_10", "pooler"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [("step", [9, 96]), ("mean", [1, 2.5]), ("low", [1, 2]), ("high", [1, 3]), ("n", [2, 2])],
)
def test_a_curve_is_the_mean_change_with_the_range_of_the_runs(figures, column, expected):
    (row,) = rows_of(figures["weight_change-rte"], row="standard", layer="layer_10")
    assert row[column] == expected


def test_the_caption_compares_the_top_layer(figures):
    assert (
        "Mean distance of layer_10, the top one, at the end: 2.50 with standard, 1.50 with reinit."
    ) in figures["weight_change-rte"].caption


def test_the_caption_names_the_layer_that_is_farthest_from_its_start(figures):
    expected = "Farthest from its start: layer_10 with standard, 2.50."
    assert expected in figures["weight_change-rte"].caption


def test_figures_of_several_scales_have_different_names(tmp_path):
    cells = [make_cell(scale=scale) for scale in ("mini", "demo")]
    records = [make_record(cell) for cell in cells]
    histories = {record.key: run_history("standard", 0) for record in records}
    basis = make_basis(cells, records, roots=[store_histories(tmp_path, histories)])
    names = [figure.name for figure in WEIGHT_CHANGE.draw(basis)]
    assert names == ["weight_change-rte-mini", "weight_change-rte-demo"]


def test_the_caption_counts_the_runs_of_its_task_without_a_history(tmp_path):
    cells = [make_cell("rte"), make_cell("cola")]
    records = [make_record(cell, seed) for cell in cells for seed in (0, 1)]
    histories = {record.key: run_history("standard", 0) for record in records[1:]}
    basis = make_basis(cells, records, roots=[store_histories(tmp_path, histories)])
    captions = {figure.name: figure.caption for figure in WEIGHT_CHANGE.draw(basis)}
    assert "Without a valid history: 1 of 2 runs." in captions["weight_change-rte"]
    assert "Without a valid history" not in captions["weight_change-cola"]


def test_weights_that_are_never_a_number_are_no_figure(tmp_path):
    cells = [make_cell("rte"), make_cell("cola")]
    records = [make_record(cell) for cell in cells]
    histories = {record.key: run_history("standard", 0) for record in records}
    nothing = make_history([9, 96], weight_change__layer_00=[float("nan")] * 2)
    histories[records[0].key] = make_history([9, 96], val__score=[0.7, 0.7]) | nothing
    basis = make_basis(cells, records, roots=[store_histories(tmp_path, histories)])
    assert [figure.name for figure in WEIGHT_CHANGE.draw(basis)] == ["weight_change-cola"]


def test_runs_that_did_not_log_it_are_no_figure(tmp_path):
    cell = make_cell()
    record = make_record(cell)
    histories = {record.key: make_history([9, 96], val__score=[0.7, 0.7])}
    basis = make_basis([cell], [record], roots=[store_histories(tmp_path, histories)])
    with pytest.raises(UnavailableError, match="no run logged its weight change"):
        WEIGHT_CHANGE.draw(basis)
