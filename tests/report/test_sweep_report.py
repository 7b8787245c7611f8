"""The report of a sweep as a whole."""

import resource
import subprocess
import sys

import pytest

from stablebert.config.identity import config_id
from stablebert.config.sweep import read_sweep
from stablebert.report.records import ReportError
from stablebert.report.sweep_report import write_report
from tests.helpers.records import make_cell, make_record, read_csv, store_record


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    cells = [
        make_cell(t, m, seeds=range(5)) for t in ("rte", "cola") for m in ("standard", "reinit")
    ]
    records = [make_record(cells[0], s, x) for s, x in enumerate([0.50, 0.52, 0.54, 0.56, 0.53])]
    records += [make_record(cells[1], s, x) for s, x in enumerate([0.80, 0.82, 0.84, 0.82, 0.81])]
    records += [make_record(cells[2], s, 0.04 * s) for s in range(5)]
    records += [make_record(cells[3], s, 0.7, status="failed") for s in range(4)]
    write_report(cells, records, out=folder, name="table1")
    return folder


def test_a_report_has_five_files_and_one_per_analysis(folder):
    endings = ("-cost.csv", "-equivalence.csv", "-macros.tex", "-paired.csv", "-trials.csv")
    endings += (".csv", ".md", ".tex")
    assert sorted(f.name for f in folder.iterdir()) == [f"table1{ending}" for ending in endings]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("table1.md", "| reinit | 3epochs | **81.8 ± 1.5** |"),
        ("table1.md", "| 70.0 ± 0.0<br>failed 4/4<br>n=4 of 5 |"),
        ("table1.md", "| 8.0 ± 6.3<br>at chance 3/5 |"),
        ("table1.md", "| CoLA | reinit | -<br>4 of 5 runs | - |"),
        ("table1.tex", r"\textbf{81.8 $\pm$ 1.5}"),
        ("table1.tex", r"{\scriptsize failed 4/4}"),
        ("table1.tex", r"{\scriptsize at chance 3/5}"),
        ("table1.tex", r" &  & {\scriptsize 4 of 5 runs}"),
    ],
)
def test_files_have_marks_and_notes(folder, file, text):
    assert text in (folder / file).read_text()


def test_a_sweep_without_cells_is_refused(tmp_path):
    with pytest.raises(ReportError, match="t: the sweep has no cells"):
        write_report([], [], out=tmp_path, name="t")


@pytest.mark.stress
def test_ten_times_as_many_records_take_less_than_ten_times_as_long(tmp_path):
    """Processor time of the whole command, to which other processes do not add."""
    overrides = ["data.source=/absent", "model.name=org/absent"]
    configs = read_sweep("table1").narrow([*overrides, "seed=0..104"]).configs()

    def report_seconds(count):
        runs = tmp_path / f"{count} runs"
        for i, cfg in enumerate(configs[:count]):
            own = config_id(cfg, data="d", model="m")
            cell = make_cell(cfg.task, cfg.method, cfg.length, cfg.scale)
            record = make_record(cell, cfg.seed, i / count, data="d", model="m", config_id=own)
            store_record(runs, record)
        arguments = [*overrides, f"paths.runs={runs}", "--full", "--out", tmp_path / "out"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "stablebert", "report", "table1", *arguments]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{count} records: {seconds:.2f} s")
        return seconds, text

    few, _ = report_seconds(500)
    many, text = report_seconds(5000)
    assert "960 of 960 runs: 48 cells" in text
    assert many < 10 * few


@pytest.mark.parametrize(
    ("other", "marks"),
    [
        pytest.param({"method": "reinit"}, ["True", "False"], id="test in the paper's layout"),
        pytest.param({"trainer.epochs": "9"}, ["False", "True"], id="validation in a search"),
    ],
)
def test_marks_are_by(tmp_path, other, marks):
    """The first cell has the better test scores, the second the better validation scores."""
    cells = [make_cell(seeds=range(5)), make_cell(seeds=range(5), **other)]
    records = [make_record(cells[0], s, 0.8 + s / 100, val=0.5 + s / 100) for s in range(5)]
    records += [make_record(cells[1], s, 0.5 + s / 100, val=0.8 + s / 100) for s in range(5)]
    write_report(cells, records, out=tmp_path, name="t")
    rows = read_csv(tmp_path / "t.csv")
    assert [row["marked"] for row in rows] == marks
    assert [row["marked_by_paper"] for row in rows] == marks


def test_the_folders_of_a_report_are_created(tmp_path):
    write_report([make_cell()], [], out=tmp_path / "a" / "b", name="t")
    assert (tmp_path / "a" / "b" / "t.md").is_file()
