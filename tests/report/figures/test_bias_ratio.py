"""Figure of the bias ratio: the analytic curve, and the numbers of the histories."""

import pytest

from stablebert.report.figures.bias_ratio import BIAS_RATIO
from tests.helpers.figures import draw_one, encodings_of, make_basis, rows_of
from tests.helpers.histories import make_history, store_histories
from tests.helpers.records import make_cell, make_record

TASKS, METHODS = ("rte", "cola"), ("bert_adam", "standard")


def run_history(task, method):
    """A history with six layers; the ratios of the lower ones differ by task and layer."""
    lower = {"rte": (2, 3), "cola": (3, 4)}[task]
    others = {f"bias_ratio__layer_{i:02d}": [3.1622, 6.5] for i in range(2, 6)}
    return make_history(
        [1, 96],
        val__score=[0.7, 0.7],
        bias_ratio__layer_00=[lower[0], 6],
        bias_ratio__layer_01=[lower[1], 6],
        bias_ratio__classifier=[3.1622, 3.3],
        **others,
    )


@pytest.fixture(scope="module")
def basis(tmp_path_factory):
    """Basis with two runs of two methods on two tasks."""
    cells = [make_cell(task, method) for task in TASKS for method in METHODS]
    records = [make_record(cell, s, val_best_step=96) for cell in cells for s in (0, 1)]
    histories = {record.key: run_history(record.task, record.method) for record in records}
    root = store_histories(tmp_path_factory.mktemp("results"), histories)
    return make_basis(cells, records, roots=[root])


@pytest.fixture(scope="module")
def figure(basis):
    return draw_one(BIAS_RATIO, basis)


@pytest.mark.parametrize(("step", "ratio"), [(1, 3.1623), (12, 6.5728), (1000, 1.2576)])
def test_the_analytic_curve_is_that_of_the_formula(figure, step, ratio):
    # (1 - 0.9^12) / sqrt(1 - 0.999^12) = 0.717570 / sqrt(0.011934)
    curve = next(row for row in rows_of(figure) if row["t"])
    near = min(range(len(curve["t"])), key=lambda i: abs(curve["t"][i] - step))
    assert curve["ratio"][near] == pytest.approx(ratio, rel=0.02)


def test_the_caption_tells_the_first_ratio_and_the_peak(figure):
    assert (
        "Gray: (1-b1^t) / sqrt(1-b2^t) with b1=0.9 and b2=0.999, 3.16 at step 1 and 6.57 at its "
        "peak, step 12."
    ) in figure.caption


@pytest.mark.parametrize(
    ("column", "expected"),
    [("step", [1, 96]), ("mean", [3, 6]), ("low", [2.5, 6]), ("high", [3.5, 6]), ("n", [4, 4])],
)
def test_a_group_has_the_mean_of_its_layers_over_the_runs_of_all_tasks(figure, column, expected):
    (row,) = rows_of(figure, row="bert_adam", group="lower layers")
    assert row[column] == expected


def test_the_lowest_run_has_its_task_and_seed(figure):
    (row,) = rows_of(figure, row="standard", group="lower layers")
    assert row["low_seed"][0] == "RTE 0"


def test_every_method_has_a_panel_with_the_analytic_curve(figure):
    assert [row["row"] for row in rows_of(figure) if row["t"]] == list(METHODS)


def test_the_caption_tells_where_measurements_differ_most(figure):
    # (1 - 0.9^96) / sqrt(1 - 0.999^96) = 3.30, and 6.5 / 3.30 = 1.97
    expected = "Farthest from the curve: middle layers of bert_adam at step 96, 1.97 times"
    assert expected in figure.caption


def test_hovering_shows_the_lowest_run(figure):
    tooltips = encodings_of(figure.specification, "tooltip")
    assert any("low_seed" in {t["field"] for t in own} for own in tooltips)


def test_the_caption_counts_runs_without_a_history(tmp_path):
    cell = make_cell(method="bert_adam")
    records = [make_record(cell, seed, val_best_step=96) for seed in (0, 1)]
    root = store_histories(tmp_path, {records[0].key: run_history("rte", "bert_adam")})
    figure = draw_one(BIAS_RATIO, make_basis([cell], records, roots=[root]))
    assert "Without a valid history: 1 of 2 runs." in figure.caption


def test_without_histories_the_analytic_curve_is_drawn(tmp_path):
    cell = make_cell(method="bert_adam")
    figure = draw_one(BIAS_RATIO, make_basis([cell], [make_record(cell)], roots=[tmp_path]))
    assert "No run has a history with measured ratios." in figure.caption


def test_other_betas_give_another_curve():
    cell = make_cell(method="bert_adam", **{"optimizer.betas": "[0.8,0.99]"})
    figure = draw_one(BIAS_RATIO, make_basis([cell], [make_record(cell)]))
    assert "b1=0.8 and b2=0.99, 2.00 at step 1" in figure.caption  # 0.2 / sqrt(0.01)


def test_runs_with_bias_correction_are_no_figure():
    cell = make_cell()
    obstacle = BIAS_RATIO.obstacle(make_basis([cell], [make_record(cell)]))
    assert obstacle == "needs runs of bert_adam, such as in the sweep bias_correction"
