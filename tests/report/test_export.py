"""A report's numbers as CSV."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stablebert.report.statistics import scores as stats
from stablebert.report.sweep_report import write_report
from tests.helpers.records import make_cell, make_record, read_csv


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Lines of two cells with twelve seeds: all zero, and 0 to 1 with validation reversed."""
    folder = tmp_path_factory.mktemp("report")
    cells = [make_cell(method=m, seeds=range(12)) for m in ("standard", "reinit")]
    records = [make_record(cells[0], s, 0.0) for s in range(12)]
    records += [make_record(cells[1], s, s / 11, val=1 - s / 11) for s in range(12)]
    write_report(cells, records, out=folder, name="t")
    return read_csv(folder / "t.csv")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("n", ["12", "12"]),
        ("baseline", ["", "rte-standard-3epochs-mini"]),
        ("marked", ["False", "True"]),
        ("marked_by_paper", ["False", "True"]),
        ("shortcoming", ["", ""]),
        ("not_compared", ["", ""]),
        ("mean_verdict", ["", "higher"]),
        ("spread_verdict", ["", "larger"]),
        ("at_chance", ["12", "7"]),
        ("paper_mean", ["69.5", "72.6"]),
        ("paper_sd", ["2.5", "1.6"]),
        ("paper_n", ["20", "20"]),
    ],
)
def test_cells_have_the_text(rows, column, values):
    assert [row[column] for row in rows] == values


@pytest.mark.parametrize(
    ("column", "value"), [("mean", 50), ("difference", 50), ("iqm", 50), ("val_mean", 50)]
)
def test_cells_have_the_number(rows, column, value):
    assert float(rows[1][column]) == pytest.approx(value)


def test_a_cell_of_zeros_has_zeros_and_not_gaps(rows):
    assert (rows[0]["mean"], rows[0]["sd"], rows[0]["iqm"]) == ("0.0", "0.0", "0.0")


def test_the_interval_of_the_interquartile_mean_contains_it(rows):
    assert float(rows[1]["iqm_low"]) < 50 < float(rows[1]["iqm_high"])


def test_a_misleading_validation_score_selects_a_low_test_score(rows):
    assert float(rows[1]["chosen_of_5"]) < 20


def test_the_best_validation_score_is_reported_as_such(rows):
    expected = 100 - float(rows[1]["chosen_of_5"])
    assert float(rows[1]["best_val_of_5"]) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "present"), [(9, False), (10, True)])
def test_the_interquartile_mean_needs_ten_runs(tmp_path, n, present):
    cell = make_cell(seeds=range(10))
    write_report([cell], [make_record(cell, s, s / 10) for s in range(n)], out=tmp_path, name="t")
    assert bool(read_csv(tmp_path / "t.csv")[0]["iqm"]) is present


def test_a_cell_that_is_not_compared_says_why(tmp_path):
    cells = [make_cell(method=m, seeds=range(5)) for m in ("standard", "reinit")]
    records = [make_record(c, s, s / 10) for c in cells for s in range(5)][:-1]
    write_report(cells, records, out=tmp_path, name="t")
    row = read_csv(tmp_path / "t.csv")[1]
    names = ("missing", "baseline", "not_compared", "difference", "mean_verdict", "marked")
    baseline = "rte-standard-3epochs-mini"
    assert [row[name] for name in names] == [
        "1",
        baseline,
        "4 of 5 runs",
        "",
        "",
        "False",
    ]
    assert row["shortcoming"] == "4 of 5 runs"


@pytest.fixture
def search(tmp_path):
    cells = [make_cell(method="reinit", **{"reinit.num_layers": d}) for d in ("1", "2")]
    write_report(cells, [], out=tmp_path, name="t")
    return read_csv(tmp_path / "t.csv")


def test_other_parameters_have_a_column(search):
    assert [row["reinit.num_layers"] for row in search] == ["1", "2"]


def test_the_paper_has_no_number_for_cells_of_other_parameters(search):
    assert [row["paper_mean"] for row in search] == ["", ""]


@pytest.fixture
def trials(tmp_path):
    """Two runs with validation scores 0.2 and 0.4, test scores 0.9 and 0.4; and an empty cell."""
    cells = [make_cell(seeds=range(2)), make_cell(method="reinit")]
    records = [make_record(cells[0], s, 0.9 - s / 2, val=0.2 + s / 5) for s in range(2)]
    write_report(cells, records, out=tmp_path, name="t")
    return read_csv(tmp_path / "t-trials.csv")


CURVES = ("best_val", "best_val_sd", "chosen_test", "chosen_test_sd")


def test_trials_have_one_line_per_number_of_runs(trials):
    assert [(row["method"], row["k"]) for row in trials] == [("standard", "1"), ("standard", "2")]


def test_one_trial_is_a_random_run(trials):
    assert [float(trials[0][name]) for name in CURVES] == pytest.approx([30, 10, 65, 25])


def test_the_best_of_two_trials_by_hand(trials):
    """The best validation score is 0.4 in 3 of 4 draws; its test score is the lower one."""
    sd = math.sqrt(3) / 4
    expected = [35, 20 * sd, 52.5, 50 * sd]
    assert [float(trials[1][name]) for name in CURVES] == pytest.approx(expected)


def test_every_column_of_a_compared_cell(tmp_path):
    """Each against the statistic of its name, for ten runs of two origins, two of them failed."""
    cells = [make_cell(method=m, seeds=range(10)) for m in ("standard", "reinit")]
    base = [0.50 + 0.01 * s for s in range(10)]
    test = [0.52 + 0.02 * (7 * s % 10) for s in range(10)]
    val = [0.40 + 0.03 * (3 * s % 10) for s in range(10)]
    changes = [{"status": "failed"}] * 2 + [{}] * 8
    changes[4] = {"data": "another", "versions": {}, "model": "a"}
    records = [make_record(cells[0], s, base[s]) for s in range(10)]
    records += [make_record(cells[1], s, test[s], val=val[s], **changes[s]) for s in range(10)]
    records = [replace(r, precision="bf16-mixed") for r in records]
    write_report(cells, records, out=tmp_path, name="table2")
    a, b, v = (100 * np.array(x) for x in (base, test, val))
    difference, iqm = stats.mean_difference(a, b), stats.interquartile_mean(b, seed=0)
    p, p_sd = stats.welch_test(a, b).p, stats.brown_forsythe_test(a, b).p
    row = read_csv(tmp_path / "table2.csv")[1]
    numbers = {
        **{"mean": b.mean(), "sd": b.std(ddof=1), "median": np.median(b)},
        **{"min": b.min(), "max": b.max(), "val_mean": v.mean()},
        **{"iqm": iqm.value, "iqm_low": iqm.low, "iqm_high": iqm.high},
        "best_val_of_5": stats.expected_best_of_k(v, v, 5)[0][0],
        "chosen_of_5": stats.expected_best_of_k(v, b, 5)[0][0],
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "p_student": stats.student_test(a, b),
        **{"p_welch": p, "p_holm": 2 * p, "p_sd": p_sd, "p_sd_holm": 2 * p_sd},
        "improvement": stats.probability_of_improvement(a, b),
        "sd_ratio": stats.spread_ratio(a, b),
        "detectable": stats.detectable_difference(a, b, alpha=0.05 / 2),
    }
    assert {name: float(row.pop(name)) for name in numbers} == pytest.approx(numbers)
    assert row == {
        **{"scale": "mini", "task": "rte", "method": "reinit", "length": "3epochs"},
        **{"config_id": "rte-reinit-3epochs-mini", "n": "10", "missing": "0", "shortcoming": ""},
        **{"failed": "2", "at_chance": "3", "marked": "True", "marked_by_paper": "True"},
        **dict.fromkeys(["split_runs", "noise_sd", "true_variance"], ""),
        **dict.fromkeys(["true_sd", "true_sd_low", "true_sd_high"], ""),
        **{"baseline": "rte-standard-3epochs-mini", "not_compared": ""},
        **{"mean_verdict": "higher", "spread_verdict": ""},
        **{"paper_model": "BERT", "paper_mean": "72.6", "paper_sd": "1.6", "paper_n": "20"},
        **{"paper_table": "2", "data": "another sha256:0123456789abcdef"},
        **{"model": "a org/bert@fedcba9876543210", "precision": "bf16-mixed"},
        "commit": "c0ffee unknown",
    }
    assert b"\r" not in (tmp_path / "table2.csv").read_bytes()
