"""`stablebert report SWEEP --figures`."""

import pytest

from stablebert.cli.main import main
from stablebert.report import extra
from tests.helpers.collections import config_records
from tests.helpers.records import store_record

MINI = ("scale=mini", "task=cola_1k")
RUNS = config_records(*MINI, seeds=range(5))


@pytest.fixture
def report(tmp_path, capsys):
    """Return a function that runs `stablebert report` on five runs and returns its output."""
    for record in RUNS:
        store_record(tmp_path / "runs", record)

    def run(*argv, status=0):
        places = ["--fresh", f"paths.runs={tmp_path}/runs", f"--out={tmp_path}/out"]
        assert main(["report", *argv, *places]) == status
        return capsys.readouterr()

    return run


def figures_in(folder):
    return {path.name for path in folder.glob("*") if path.suffix in (".svg", ".pdf", ".png")}


def test_figures_are_written_in_the_formats(report, tmp_path):
    report("table1", "--figures=svg,png", *MINI)
    assert {f"table1-distribution.{x}" for x in ("svg", "png")} <= figures_in(tmp_path / "out")
    assert not any(name.endswith(".pdf") for name in figures_in(tmp_path / "out"))


def test_files_of_figures_are_named(report, tmp_path):
    assert f"distribution: {tmp_path}/out/table1-distribution.svg\n" in (
        report("table1", "--figures=svg", *MINI).out
    )


def test_a_figure_that_cannot_be_drawn_has_a_reason(report):
    assert "heat_map not drawn: needs every combination of several seed_init and seed_data" in (
        report("table1", "--figures=svg", *MINI).out
    )


@pytest.mark.parametrize("sweep", ["table1", pytest.param("all", marks=pytest.mark.slow)])
def test_only_a_figure_of_an_earlier_report_is_deleted(report, tmp_path, sweep):
    folder = tmp_path / "out"
    report(sweep, "--figures=svg", *(MINI if sweep == "table1" else ()))
    if sweep == "all":
        (folder,) = folder.iterdir()
    figures = figures_in(folder)
    assert "table1-distribution.svg" in figures
    (folder / "table1-heat_map.svg").touch()
    report(sweep, "--figures=svg", *(MINI if sweep == "table1" else ()))
    assert figures_in(folder) == figures


def test_no_figure_is_written_unless_requested(report, tmp_path):
    report("table1", *MINI)
    assert not figures_in(tmp_path / "out")


def test_an_unknown_format_is_refused(report, capsys):
    with pytest.raises(SystemExit):
        report("table1", "--figures=svg,pgn")
    error = capsys.readouterr().err
    assert "unknown format 'pgn'; choose from svg, pdf, png, all" in error


@pytest.mark.parametrize("name", ["table3", "list"])
def test_what_has_no_figures_refuses_the_option(report, name, capsys):
    with pytest.raises(SystemExit):
        report(name, "--figures=all")
    assert f"{name} has no figures; remove --figures" in capsys.readouterr().err


def test_without_the_extra_the_error_says_how_to_install_it(report, monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    error = report("table1", "--figures=svg", *MINI, status=1).err
    assert "pip install 'stablebert[report]'" in error
