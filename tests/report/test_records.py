"""Reading records: all places, and damaged files."""

import json
import os
import re
import shutil
from dataclasses import asdict

import pytest

from stablebert.report.records import read_records
from stablebert.runs.record import serialize_record
from tests.helpers.edits import edit_randomly
from tests.helpers.records import make_cell, make_record, store_record


def write_lines(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(serialize_record(record)) for record in records) + "\n\n")


def test_results_of_runs_and_committed_lines_are_read_alike(tmp_path):
    run = make_record(make_cell(), 1)
    committed = [make_record(make_cell("mrpc"), seed) for seed in (1, 0)]
    store_record(tmp_path / "runs", run)
    write_lines(tmp_path / "results" / "mini" / "table1.jsonl", *committed)
    records, problems = read_records(tmp_path / "runs", tmp_path / "results")
    assert (records, problems) == ([*reversed(committed), run], [])


def test_json_lines_deeper_in_a_root_are_not_records(tmp_path):
    for name in ("mini/curves/history.jsonl", "mini/rte/other.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text('{"step": 1}\n')
    assert read_records(tmp_path) == ([], [])


def test_json_lines_directly_in_a_root_are_records(tmp_path):
    record = make_record(make_cell())
    write_lines(tmp_path / "all.jsonl", record)
    assert read_records(tmp_path) == ([record], [])


def test_a_history_is_never_read_as_records(tmp_path):
    folder = store_record(tmp_path, make_record(make_cell())).parent
    (folder / "history.jsonl").write_text('{"step": 1}\n')
    for root in (folder, folder.parent):
        records, problems = read_records(root)
        assert (len(records), problems) == (1, [])


def test_a_link_to_a_folder_above_is_not_followed_forever(tmp_path):
    store_record(tmp_path / "mini", make_record(make_cell()))
    for name in ("latest", "best"):
        (tmp_path / name).symlink_to(".")
        (tmp_path / "mini" / name).symlink_to("..")
    records, problems = read_records(tmp_path)
    assert (len(records), problems) == (1, [])


def test_a_linked_folder_is_read(tmp_path):
    store_record(tmp_path / "elsewhere", make_record(make_cell()))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mini").symlink_to(tmp_path / "elsewhere")
    assert len(read_records(tmp_path / "runs")[0]) == 1


def test_a_link_further_down_does_not_hide_json_lines(tmp_path):
    write_lines(tmp_path / "mini" / "table1.jsonl", make_record(make_cell()))
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "mini").symlink_to(tmp_path / "mini")
    assert len(read_records(tmp_path)[0]) == 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_something_else_in_place_of_a_record_is_reported_without_waiting(tmp_path, make):
    make(tmp_path / "result.json")
    assert read_records(tmp_path) == ([], [f"{tmp_path}/result.json: Not a regular file"])


def test_a_record_in_the_folder_of_another_run_is_reported_and_skipped(tmp_path):
    path = store_record(tmp_path, make_record(make_cell(), 0))
    copy = path.parent.with_name("seed1")
    shutil.move(path.parent, copy)
    records, (line,) = read_records(tmp_path)
    assert records == []
    assert line.startswith(f"{copy}/result.json: not in the folder of its run, which is mini/rte/")


def test_random_edits_never_hide_another_record(tmp_path):
    """Whatever happens to one file, the other is read."""
    store_record(tmp_path, make_record(make_cell(), 0))
    bad = store_record(tmp_path, make_record(make_cell(), 1))
    original = bad.read_bytes()
    for seed in range(50):
        bad.write_bytes(edit_randomly(original, seed))
        records, problems = read_records(tmp_path)
        assert 0 in [r.seed for r in records]
        assert len(records) + len(problems) == 2


def test_a_missing_root_holds_no_records(tmp_path):
    assert read_records(tmp_path / "nowhere") == ([], [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"task": "rt', "delimiter|Unterminated"),
        ("", "Expecting value"),
        ("[]", "list"),
        ('{"task": "rte"}', "differs in"),
        ("\x00\xff", ""),
    ],
)
def test_a_damaged_file_is_reported_and_skipped(tmp_path, text, problem):
    store_record(tmp_path, make_record(make_cell(), 0))
    bad = store_record(tmp_path, make_record(make_cell(), 1))
    bad.write_bytes(text.encode("latin-1"))
    records, (line,) = read_records(tmp_path)
    assert [r.seed for r in records] == [0]
    assert line.startswith(f"{bad}: ")
    assert re.search(problem, line)


@pytest.mark.parametrize(
    ("name", "value"), [("test_at_best", float("nan")), ("val_best", None), ("seed", "0")]
)
def test_a_record_with_an_invalid_number_is_reported_and_skipped(tmp_path, name, value):
    path = store_record(tmp_path, make_record(make_cell()))
    path.write_text(json.dumps({**asdict(make_record(make_cell())), name: value}))
    records, (line,) = read_records(tmp_path)
    assert records == []
    assert f"{name}={value!r}" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("splits", {"train": None, "val": {"rows": 1}, "test": {"rows": 1}}),
        ("splits", {name: {"rows": "x"} for name in ("train", "val", "test")}),
        ("val_best", 10**400),
    ],
)
def test_nested_values_of_another_kind_are_reported_and_skipped(tmp_path, name, value):
    good = make_record(make_cell())
    lines = [{**asdict(make_record(make_cell(), 1)), name: value}, asdict(good)]
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, lines)))
    records, (line,) = read_records(tmp_path)
    assert records == [good]
    assert line.startswith(f"{tmp_path}/all.jsonl:1: ")
    assert name in line


def test_a_damaged_line_is_reported_with_its_number(tmp_path):
    good = json.dumps(asdict(make_record(make_cell())))
    (tmp_path / "mini").mkdir()
    (tmp_path / "mini" / "x.jsonl").write_text(f"{good}\n{good[:50]}\n")
    records, (line,) = read_records(tmp_path)
    assert len(records) == 1
    assert line.startswith(f"{tmp_path}/mini/x.jsonl:2: ")


def test_equal_records_of_one_run_count_once(tmp_path):
    for root in ("runs", "results"):
        store_record(tmp_path / root, make_record(make_cell()))
    records, problems = read_records(tmp_path / "runs", tmp_path / "results")
    assert (len(records), problems) == (1, [])


def test_of_two_different_records_of_one_run_the_first_counts(tmp_path):
    store_record(tmp_path / "runs", make_record(make_cell(), 1, 0.7))
    second = store_record(tmp_path / "results", make_record(make_cell(), 1, 0.8))
    records, (line,) = read_records(tmp_path / "runs", tmp_path / "results")
    assert [r.test_at_best for r in records] == [0.7]
    assert line.startswith(f"{second}: differs from {tmp_path}/runs/")


def test_an_unreadable_file_is_reported(tmp_path):
    path = tmp_path / "result.json"
    path.symlink_to(path)
    assert read_records(tmp_path) == ([], [f"{path}: Too many levels of symbolic links"])


def test_damage_never_hides_later_records(tmp_path, monkeypatch):
    """Damaged and unreadable files, a refused folder, one that vanishes, and a repeated one."""
    good = make_record(make_cell())
    write_lines(tmp_path / "all.jsonl", good)
    (tmp_path / "all.jsonl").write_text("{}\n" + (tmp_path / "all.jsonl").read_text())
    for name in ("damaged", "loop", "refused", "vanished"):
        (tmp_path / "0" / name).mkdir(parents=True)
    (tmp_path / "0" / "damaged" / "result.json").write_text("{")
    (tmp_path / "0" / "loop" / "result.json").symlink_to("result.json")
    (tmp_path / "0" / "again").symlink_to(tmp_path)
    last = make_record(make_cell(), 1)
    store_record(tmp_path / "1" / "2", last)
    scandir, refusals = os.scandir, {"refused": PermissionError(13, "Refused")}
    refusals["vanished"] = FileNotFoundError(2, "Vanished")

    def scan(folder):
        if error := refusals.get(os.path.basename(folder)):
            raise error
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    records, problems = read_records(tmp_path)
    assert records == [good, last]
    assert [line.partition(": ")[0] for line in problems] == [
        f"{tmp_path}/{place}"
        for place in ("all.jsonl:1", "0/damaged/result.json", "0/loop/result.json", "0/refused")
    ]
