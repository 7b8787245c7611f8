"""Writing records to one file."""

import pytest

from stablebert.cli.main import main
from stablebert.report.collect import write_records
from stablebert.report.records import ReportError, read_records
from tests.helpers.records import make_cell, make_record, read_csv, store_record

RECORDS = [make_record(make_cell("mrpc"), 0, 0.0), make_record(make_cell("rte"), 1)]


def test_csv_has_one_row_per_record(tmp_path):
    write_records(RECORDS, tmp_path / "deep" / "all.csv")
    assert [row["task"] for row in read_csv(tmp_path / "deep" / "all.csv")] == ["mrpc", "rte"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("test_at_best", ["0.0", "0.7"]),
        ("metrics.test_at_best.accuracy", ["0.0", "0.7"]),
        ("metrics.dev_at_last.f1", ["0.0", ""]),
        ("versions.commit", ["c0ffee", "c0ffee"]),
        ("splits.train.rows", ["2490", "2490"]),
        ("status", ["ok", "ok"]),
        ("at_chance", ["True", "False"]),
    ],
)
def test_nested_values_become_columns(tmp_path, column, values):
    write_records(RECORDS, tmp_path / "all.csv")
    assert [row[column] for row in read_csv(tmp_path / "all.csv")] == values


def test_parquet_keeps_numbers_and_gaps(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_records(RECORDS, tmp_path / "all.parquet")
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table["metrics.dev_at_last.f1"].to_pylist() == [0.0, None]


def test_parquet_leaves_no_partial_file(tmp_path):
    pytest.importorskip("pyarrow")
    write_records(RECORDS, tmp_path / "all.parquet")
    assert [f.name for f in tmp_path.iterdir()] == ["all.parquet"]


def test_json_lines_are_read_back_as_the_same_records(tmp_path):
    write_records(RECORDS, tmp_path / "mini" / "all.jsonl")
    assert read_records(tmp_path) == (RECORDS, [])


def test_an_unknown_suffix_is_an_error(tmp_path):
    with pytest.raises(ReportError, match=r"\.csv, \.parquet or \.jsonl"):
        write_records(RECORDS, tmp_path / "all.xlsx")


def test_the_command_refuses_a_folder_that_does_not_exist(tmp_path, capsys):
    file, absent = tmp_path / "all.jsonl", tmp_path / "absent"
    store_record(tmp_path / "runs", RECORDS[0])
    assert main(["collect", str(file), str(tmp_path / "runs"), str(absent)]) == 1
    assert f"not a folder: {absent}; nothing is written" in capsys.readouterr().err
    assert not file.exists()


def test_the_command_refuses_to_write_a_file_without_records(tmp_path, capsys):
    file = tmp_path / "all.jsonl"
    assert main(["collect", str(file), str(tmp_path)]) == 1
    assert f"{tmp_path}: no records; {file} is not written" in capsys.readouterr().err
    assert not file.exists()
