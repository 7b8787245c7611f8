"""Table 3: our data next to the paper's."""

import pytest

from stablebert.cli.main import main
from stablebert.report.table3 import write_table3
from stablebert.tasks import TASKS
from tests.helpers.records import make_cell, make_record, read_csv, table_lines

MAJORITY = {"val": 73 / 138, "test": 73 / 139, "dev": 0.527}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Text and lines of a report on RTE, its 1,000-sample version, and its demo."""
    folder = tmp_path_factory.mktemp("table3")
    full = make_record(make_cell(), majority=MAJORITY)
    few = {**full.splits, "train": {"rows": 1000}}
    records = [
        full,
        make_record(make_cell("rte_1k"), majority=MAJORITY, splits=few),
        make_record(make_cell(scale="demo"), majority=MAJORITY),
    ]
    text = write_table3(records, ["x: torn"], folder)
    return text, {row["task"]: row for row in read_csv(folder / "table3.csv")}


def test_a_number_that_differs_from_the_papers_is_marked(table):
    line = "RTE 2,490 2.5k 138* 139 139 139 52.9 52.9 52.5 52.5"
    assert line in table_lines(table[0], "Data")


def test_a_demo_task_is_not_compared_with_the_real_one(table):
    line = "demo-rte 2,490 2.5k 138 139 139 139 52.9 52.9 52.5 52.5"
    assert line in table_lines(table[0], "Data")


@pytest.mark.parametrize(
    ("task", "differs"), [("RTE", "val_rows"), ("RTE (1k)", "val_rows"), ("demo-rte", "")]
)
def test_the_csv_names_the_columns_that_differ(table, task, differs):
    assert table[1][task]["differs"] == differs


def test_a_1000_sample_task_trains_on_1k_rows_in_the_paper(table):
    assert table[1]["RTE (1k)"]["paper_train_rows"] == "1k"


def test_a_task_without_runs_has_only_the_papers_numbers(table):
    row = table[1]["CoLA"]
    assert (row["train_rows"], row["paper_train_rows"]) == ("", "8.6k")


def test_every_task_has_a_row(table):
    assert len(table[1]) == len(TASKS) + 1  # and the demo task


def test_unreadable_files_are_listed(table):
    assert "\nskipped: x: torn\n" in table[0]


@pytest.fixture
def two_data_sets(tmp_path):
    other = {**make_record(make_cell()).splits, "train": {"rows": 7}}
    records = [make_record(make_cell()), make_record(make_cell(), 1, splits=other)]
    return write_table3(records, [], tmp_path), read_csv(tmp_path / "table3.csv")


def test_two_data_sets_of_one_task_get_a_row_each(two_data_sets):
    assert [row["train_rows"] for row in two_data_sets[1][:2]] == ["7.0", "2490.0"]


def test_two_data_sets_of_one_task_are_noted(two_data_sets):
    assert "\nRTE: the records used several data sets, one row each\n" in two_data_sets[0]


def test_the_command_prints_the_papers_numbers_and_fails_without_records(tmp_path, capsys):
    arguments = ["table3", "--fresh", f"paths.runs={tmp_path}", "--out", str(tmp_path / "out")]
    assert main(["report", *arguments]) == 1
    output = capsys.readouterr()
    assert "8.6k" in output.out
    assert f"table3: no record belongs to it in {tmp_path}; train a run" in output.err


RECORDS = [make_record(make_cell(scale=scale), majority=MAJORITY) for scale in ("mini", "demo")]


def test_a_narrow_table_has_the_papers_numbers_below_ours(tmp_path):
    text = write_table3(RECORDS, [], tmp_path, width=80)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[2:5] == [
        "RTE 2,490 138* 139 52.9 52.5",
        "paper 2.5k 139 139 52.9 52.5",
        "MRPC paper 3.7k 204 205 81.3 81.2",
    ]


def test_a_demo_task_has_no_row_of_the_paper_in_a_narrow_table(tmp_path):
    table, _, _ = write_table3(RECORDS, [], tmp_path, width=80).partition("\n\n")
    assert table.splitlines()[-1].split()[:3] == ["demo-rte", "2,490", "138"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_table_fits(tmp_path, width):
    text = write_table3(RECORDS, ["x: torn"], tmp_path, width=width)
    assert max(map(len, text.splitlines())) <= width


def test_a_narrow_table_counts_unreadable_files(tmp_path):
    text = write_table3(RECORDS, ["x: torn"], tmp_path, width=80)
    assert text.endswith("skipped: 1 file; --full lists them\n")


def test_one_data_set_per_task_needs_no_note(table):
    assert "several data sets" not in table[0]
