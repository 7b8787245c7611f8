"""Commands on a full disk: one line that names the file, and no partial file."""

import re

import pytest

from stablebert.cli.main import main
from stablebert.version import versions
from tests.helpers.disk import full_disk
from tests.helpers.records import make_cell, make_record, store_record


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Current folder, with a record in `runs/`."""
    monkeypatch.chdir(tmp_path)
    store_record(tmp_path / "runs", make_record(make_cell()))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        ("report table3", "reports/table3.md"),
        ("report table3 --out deep/er", "deep/er/table3.md"),
        ("collect x.csv runs", "x.csv"),
        ("collect x.jsonl runs", "x.jsonl"),
        ("collect x.parquet runs", "x.parquet"),
        ("dashboard e/p --json x.json", "x.json"),
    ],
)
def test_a_command_names_the_file_and_leaves_no_part_of_it(folder, capsys, arguments, file):
    with full_disk():
        status = main(arguments.split())
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 1
    assert re.search(rf"{re.escape(file)}: .*File too large$", line)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["result.json"]


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 200, 20_000])
def test_training_ends_with_one_line(folder, capsys, room):
    versions()  # calls git, whose lock of the checkout would stay behind on a full disk
    with full_disk(room):
        status = main(["train", "task=rte", "trainer.max_steps=2", f"paths.cache={folder}/cache"])
    assert status == 1
    error = capsys.readouterr().err
    assert error.endswith(": File too large\n"), error
    assert "Traceback" not in error
    assert not {path.name for path in folder.glob("runs/demo/**/*.json")} - {"claim.json"}
