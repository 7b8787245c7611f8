"""Scores against the learning rate, and methods at the best rate of each."""

import re

import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.statistics.scores import mean_difference, welch_test
from stablebert.report.sweep_report import write_report
from tests.helpers.analyses import numbers_of
from tests.helpers.records import make_cell, make_record, table_lines

RATES = ("1e-4", "2e-4", "4e-4", "8e-4")
VALIDATION = {
    "bert_adam": {"1e-4": 0.70, "2e-4": 0.695, "4e-4": 0.60, "8e-4": 0.50},
    "standard": {"1e-4": 0.60, "2e-4": 0.71, "4e-4": 0.715, "8e-4": 0.706},
}
"""Mean validation scores; `standard` is within one point of its best at three rates."""
TEST = {"bert_adam": 0.68, "standard": 0.74}
SHIFTS = (-0.02, -0.01, 0.0, 0.01, 0.02)
"""What the seeds add to the means: sd 1.58 points."""


def write(folder, *, task="rte", methods=VALIDATION, seeds=5, test=TEST, rates=RATES):
    cells = [
        make_cell(task, method, seeds=range(seeds), **{"optimizer.lr": rate})
        for method in methods
        for rate in rates
    ]
    records = [
        make_record(
            cell,
            s,
            test[cell.method] + SHIFTS[s],
            val=methods[cell.method][cell.params["optimizer.lr"]] + SHIFTS[s],
            status="failed" if cell.params["optimizer.lr"] == "8e-4" and s < 2 else "ok",
        )
        for cell in cells
        for s in range(seeds)
    ]
    text = write_report(cells, records, out=folder, name="t", request=Request(names=["rates"]))
    return text.partition("t: rates")[2] or text


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write(folder), folder


def test_scores_are_shown_by_rate_with_the_best_marked(report):
    lines = table_lines(report[0], "Score x 100 by learning rate")
    assert lines[0] == "task method rate best validation test n failed at chance"
    assert lines[1] == "RTE bert_adam 0.0001 70.0 ± 1.6* 68.0 ± 1.6 5 of 5 0/5 0/5"
    assert lines[8] == "RTE standard 0.0008 70.6 ± 1.6 74.0 ± 1.6 5 of 5 2/5 0/5"


def test_the_best_rate_and_the_good_ones_around_it_are_shown(report):
    lines = table_lines(report[0], "Best learning rate, and rates within one point")
    assert lines[1] == "RTE bert_adam 0.0001 70.0 ± 1.6 68.0 ± 1.6 0/5 ≤0.0001 0.0002 2 2/20"
    assert lines[2] == "edge of the grid"
    assert lines[3] == "RTE standard 0.0004 71.5 ± 1.6 74.0 ± 1.6 0/5 0.0002 ≥0.0008 4 2/20"


@pytest.mark.parametrize(
    ("method", "quantity", "value"),
    [
        ("bert_adam", "best_rate", 1e-4),
        ("bert_adam", "octaves", 1),
        ("standard", "best_rate", 4e-4),
        ("standard", "lowest_good_rate", 2e-4),
        ("standard", "highest_good_rate", 8e-4),
        ("standard", "octaves", 2),
        ("standard", "difference_at_best_rates", 6.0),
    ],
)
def test_the_csv_has_the_number_of_a_method(report, method, quantity, value):
    (number,) = numbers_of(report[1] / "t-rates.csv", method=method, quantity=quantity)
    assert number.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("n", 5),
        ("failed", 2),
        ("at_chance", 0),
        ("val_mean", 70.6),
        ("val_sd", 1.5811388),
        ("test_mean", 74.0),
        ("test_sd", 1.5811388),
    ],
)
def test_the_csv_has_the_number_of_a_rate(report, quantity, value):
    conditions = {"method": "standard", "optimizer.lr": "8e-4", "quantity": quantity}
    (number,) = numbers_of(report[1] / "t-rates.csv", **conditions)
    assert number.value == pytest.approx(value)


def scores_at_best():
    return [[100 * (TEST[method] + x) for x in SHIFTS] for method in ("bert_adam", "standard")]


def test_methods_are_compared_at_their_best_rates(report):
    (number,) = numbers_of(report[1] / "t-rates.csv", quantity="difference_at_best_rates")
    interval = mean_difference(*scores_at_best())
    assert (number.low, number.high) == pytest.approx((interval.low, interval.high))


def test_p_values_are_multiplied_by_the_rates_of_both_methods(report):
    p = welch_test(*scores_at_best()).p
    for quantity, value in [("p_welch_at_best_rates", p), ("p_holm_at_best_rates", 16 * p)]:
        (number,) = numbers_of(report[1] / "t-rates.csv", quantity=quantity)
        assert number.value == pytest.approx(value)


def test_the_sentences_have_best_rates_and_failed_runs(report):
    assert (
        "\nbert_adam: best learning rate 0.0001 on RTE (edge of the grid); "
        "2 of 20 runs failed across all rates.\n"
        "standard: best learning rate 0.0004 on RTE; 2 of 20 runs failed across all rates.\n"
    ) in report[0]


def test_bias_correction_at_tuned_rates_is_judged(report):
    assert (
        "At the best rate of each method, bias correction changes the mean test score by +6.0 to "
        "+6.0 points over 1 comparison: significantly better in 1, worse in 0, inconclusive (which "
        "does not mean equal) in 0 of 1 with enough runs for a verdict. In 1 of them, a best rate "
        "is at the edge of the grid, and a better one may be outside. Laing and Orvieto"
    ) in report[0]


@pytest.mark.parametrize(
    ("test", "verdict"),
    [(0.62, "significantly lower on RTE -6.0"), (0.68, "inconclusive on RTE +0.0")],
)
def test_other_verdicts_are_stated(tmp_path, test, verdict):
    text = write(tmp_path, test=TEST | {"standard": test})
    assert f"Each at its own best rate, standard against bert_adam: {verdict} [" in text


def test_few_runs_are_not_judged(tmp_path):
    text = write(tmp_path, seeds=3)
    assert re.search(r"not judged on RTE \+6.0 \[.*\] \(3 runs, fewer than 5\)\.", text)
    assert "over 1 comparison: none has enough runs for a verdict." in text
    assert not numbers_of(tmp_path / "t-rates.csv", quantity="p_holm_at_best_rates")


def test_an_incomplete_grid_of_rates_is_not_judged(tmp_path):
    """A rate without runs could be the best."""
    cells = [
        make_cell(method=method, seeds=range(5), **{"optimizer.lr": rate})
        for method in VALIDATION
        for rate in RATES
    ]
    records = [make_record(cell, s, 0.6 + SHIFTS[s]) for cell in cells[:-1] for s in range(5)]
    write_report(cells, records, out=tmp_path, name="t")
    (number,) = numbers_of(tmp_path / "t-rates.csv", quantity="not_judged")
    assert number.value == "runs missing in 1 of 4 settings of its search"


def test_without_bert_adam_methods_are_compared_with_standard(tmp_path):
    methods = {"reinit": VALIDATION["bert_adam"], "standard": VALIDATION["standard"]}
    text = write(tmp_path, methods=methods, test={"reinit": 0.8, "standard": 0.74})
    assert "reinit against standard: significantly higher on RTE +6.0" in text
    assert "Bias correction or" not in text


def test_one_run_per_rate_is_described(tmp_path):
    text = write(tmp_path, seeds=1)
    assert "not judged on RTE - (1 run, fewer than 5)" in text
    assert "Bias correction or" not in text


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        (["1e-4"], "needs several values of optimizer.lr, such as in the sweep rate_optimizer"),
        (["1e-4", "2e-4"], "needs runs at two values of optimizer.lr or more"),
    ],
)
def test_the_reason_for_no_curve_is_stated(tmp_path, rates, reason):
    cells = [make_cell(seeds=[0], **{"optimizer.lr": rate}) for rate in rates]
    request = Request(names=["rates"])
    records = [make_record(cells[0])]
    text = write_report(cells, records, out=tmp_path, name="t", request=request)
    assert text.endswith(f"rates does not apply: {reason}\n")
