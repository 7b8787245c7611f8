"""`stablebert report all` and `stablebert report list`."""

import re

import pytest

from stablebert.cli import collections
from stablebert.cli.main import main
from stablebert.report import everything, extra
from stablebert.report.columns import width_of
from stablebert.report.figures.draw import Drawings
from stablebert.report.items import ITEMS
from tests.helpers.collections import OTHER, config_record, config_records
from tests.helpers.latex import compile_latex
from tests.helpers.records import store_record

MINI = ("scale=mini", "task=cola_1k")


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    """Return a function that stores records, runs `stablebert report`, and returns its output."""
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("COLUMNS", "80")

    def run(*argv, records=(), status=0):
        for record in records:
            store_record(tmp_path / "runs", record)
        out = f"--out={tmp_path}/out"
        arguments = ["report", *argv, "--fresh", f"paths.runs={tmp_path}/runs", out]
        assert main(arguments) == status
        return capsys.readouterr()

    return run


@pytest.fixture
def no_figures(monkeypatch):
    """Let `report all` draw nothing, which takes most of its time."""
    nothing = Drawings(figures={}, obstacles={})
    monkeypatch.setattr(everything, "draw_figures", lambda _: nothing)
    monkeypatch.setattr(collections, "write_page", lambda *_, **__: None)


STANDARD = config_records(*MINI, seeds=range(5))
BERT_ADAM = config_records(*MINI, "method=bert_adam", seeds=range(5), score=0.6)
REINIT = config_records(*MINI, "method=reinit", seeds=range(5), score=0.8)


def lines_of(text, start):
    return [" ".join(line.split()) for line in text.splitlines() if line.startswith(start)]


# ---------------------------------------------------------------- all


@pytest.mark.usefixtures("no_figures")
def test_all_reports_are_written_in_a_folder_per_model(report, tmp_path):
    report("all", records=[*STANDARD, *REINIT, *config_records(*MINI, model=OTHER)])
    found = {path.relative_to(tmp_path / "out") for path in tmp_path.glob("out/*/*.md")}
    assert {path.name for path in found} == {"table1.md", "table3.md"}
    assert len({path.parent for path in found}) == 2


@pytest.mark.usefixtures("no_figures")
def test_all_counts_the_runs_of_each_sweep(report):
    output = report("all", records=[*STANDARD, *REINIT]).out
    assert lines_of(output, "table1") == ["table1 Table 1; Figure 6 2 10/10"]


@pytest.mark.usefixtures("no_figures")
def test_all_summarizes_the_runs(report):
    output = report("all", records=[*STANDARD, *REINIT]).out
    assert "Re-init beats standard on 1 of 1 task, significantly on 1.\n" in output


@pytest.mark.usefixtures("no_figures")
def test_all_writes_the_macros_of_all_sweeps_in_one_file(report, tmp_path):
    report("all", records=[*STANDARD, *REINIT])
    (macros,) = tmp_path.glob("out/*/all-macros.tex")
    assert r"\newcommand{\stablebertColaOneKReinitMean}{82.0}" in macros.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_all_files_in_latex_compile_together(report, tmp_path):
    report("all", records=[*STANDARD, *REINIT, *BERT_ADAM])
    (folder,) = (path.parent for path in tmp_path.glob("out/*/all-macros.tex"))
    tables = [path.stem for path in folder.glob("*.tex") if not path.stem.endswith("macros")]
    assert {"table1", "table3", "bias_correction"} <= {*tables}
    body = "\n".join(rf"\input{{{name}}}" for name in tables)
    body += r" \stablebertColaOneKReinitMean{}"
    compile_latex(folder, body, preamble=r"\input{all-macros}")


@pytest.mark.usefixtures("no_figures")
def test_all_says_what_is_missing_and_how_to_get_it(report):
    output = report("all", records=STANDARD).out
    assert re.search(
        r"^  Figures 9, 10: no runs\n    stablebert grid randomness scale=mini paths\.runs=\S+$",
        output,
        re.MULTILINE,
    )


@pytest.mark.usefixtures("no_figures")
def test_all_says_how_many_runs_are_in_no_report(report):
    others = config_records(*MINI, "optimizer.weight_decay=0.3", seeds=(0, 1))
    output = report("all", records=[*STANDARD, *others]).out
    assert "2 runs of other configurations or seeds are in none of these reports" in output


@pytest.mark.slow
def test_all_writes_figures_and_a_page(report, tmp_path):
    output = report("all", records=STANDARD).out
    drawn = [*tmp_path.glob("out/*/*.svg")]
    assert "table1-distribution.svg" in {path.name for path in drawn}
    assert f"{len(drawn)} figures in {len(drawn)} files; --figures all" in output
    assert [*tmp_path.glob("out/*/report.html")]


@pytest.mark.slow
def test_all_writes_figures_in_the_requested_formats(report, tmp_path):
    report("all", "--figures", "pdf,png", records=STANDARD)
    files = {path.name for path in tmp_path.glob("out/*/table1-distribution.*")}
    assert files == {"table1-distribution.pdf", "table1-distribution.png"}


def test_without_the_extra_reports_are_written_and_the_error_says_how_to_get_figures(
    report, tmp_path, monkeypatch
):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    errors = report("all", records=STANDARD, status=1).err
    assert "pip install 'stablebert[report]'" in errors
    assert [*tmp_path.glob("out/*/table1.md")]


def test_all_of_nothing_is_an_error(report):
    assert "no records; train a run with `stablebert train`" in report("all", status=1).err


@pytest.mark.usefixtures("no_figures")
def test_the_margin_is_that_of_all_reports_and_in_the_command_of_the_page(report, monkeypatch):
    pages = []
    monkeypatch.setattr(
        collections,
        "write_page",
        lambda collection, _, *, commands: pages.append((collection, commands)),
    )
    report("all", "--margin", "2.5", records=STANDARD)
    ((collection, (command,)),) = pages
    assert collection.reports["table1"].basis.request.margin == 2.5
    assert command.endswith(" --fresh --margin 2.5")


@pytest.mark.parametrize("name", ["all", "list"])
def test_many_sweeps_have_no_full_report(report, name, capsys):
    with pytest.raises(SystemExit):
        report(name, "--full")
    assert f"{name} is about many sweeps; remove --full" in capsys.readouterr().err


def test_a_model_is_not_selected_by_its_address(report):
    errors = report("all", "model.name=org/bert", status=2).err
    assert "model.name=org/bert: the records name their models; drop it" in errors


# ---------------------------------------------------------------- list


def test_every_item_has_a_line(report):
    output = report("list").out
    assert all(lines_of(output, f"{item.label} ") for item in ITEMS.values())


def test_without_records_all_runs_are_missing(report):
    output = report("list").out
    (line,) = lines_of(output, "Table 1 ")
    assert line.endswith("960 0 960 unknown")
    assert "There are no records of scale paper, so no run is done." in output


def test_runs_are_done_if_they_have_a_record(report):
    records = [
        *config_records("scale=paper", "task=rte"),
        *config_records("scale=paper", "task=mrpc"),
    ]
    output = report("list", records=records).out
    (line,) = lines_of(output, "Table 1 ")
    assert line.split()[-4:-1] == ["960", "6", "954"]


def test_time_is_that_of_finished_runs_on_two_workers(report, monkeypatch):
    monkeypatch.setattr("stablebert.cli.collections.usable_cores", lambda: 2)
    record = config_record("scale=paper", "task=mnli", seconds={"train": 100.0}, steps=234)
    (line,) = lines_of(report("list", records=[record]).out, "Table 5 ")
    assert line.endswith("6 1 5 0:04:10")


def test_the_command_of_each_item_is_named(report):
    command = "stablebert grid training_length task=rte,mrpc,stsb,cola scale=demo"
    assert f"Figure 8, with runs of table1\n    {command}" in report("list", "scale=demo").out


def test_commands_of_a_list_train_the_model_of_the_records(report):
    model = "model.name=distilbert/distilbert-base-cased"
    output = report("list", "scale=mini", records=config_records(*MINI, model)).out
    assert f"stablebert grid table2 {model} scale=mini " in output


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("name", ["all", "list"])
def test_nothing_is_located(report, monkeypatch, name):
    def fail(*_):
        raise AssertionError

    for function in ("locate_data", "locate_model"):
        monkeypatch.setattr(f"stablebert.runs.identities.{function}", fail)
    report(name, "scale=mini", records=STANDARD)


def test_a_list_fits_into_the_terminal(report):
    lines = report("list").out.splitlines()
    assert [x for x in lines if width_of(x) > 80 and not x.startswith("    ")] == []


def test_a_list_of_several_scales_is_refused(report):
    errors = report("list", "scale=demo,mini", status=1).err
    assert "scale=demo,mini: `report list` takes one scale" in errors


# ---------------------------------------------------------------- one sweep


def test_a_report_on_a_scale_without_records_names_the_others(report, tmp_path):
    errors = report("table1", records=STANDARD, status=1).err
    assert errors == (
        f"stablebert report: table1: no records of scale paper in {tmp_path}/runs; there are\n"
        "5 records of scale mini: `stablebert report table1 scale=mini`\n"
        "Or report on everything: `stablebert report all`\n"
    )


def test_a_report_on_several_models_advises_to_report_on_each(report, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    records = [*STANDARD, *config_records(*MINI, model=OTHER)]
    overrides = ("scale=mini", "task=cola_1k", "data.source=/absent", "model.name=/absent")
    errors = report("table1", *overrides, records=records, status=1).err
    assert "`stablebert report all scale=mini` reports on the runs of each model" in errors


def test_a_report_has_the_width_of_the_terminal(report, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "50")
    overrides = ("scale=mini", "task=cola_1k", "data.source=/absent", "model.name=/absent")
    output = report("table1", *overrides, records=[*STANDARD, *REINIT]).out
    lines = [x for x in output.splitlines() if not x.startswith("    ") and str(tmp_path) not in x]
    assert [x for x in lines if width_of(x) > 50] == []


def test_a_full_report_has_the_definitions(report):
    overrides = ("scale=mini", "task=cola_1k", "data.source=/absent", "model.name=/absent")
    output = report("table1", *overrides, "--full", records=STANDARD).out
    assert "Mean ± sample standard deviation over seeds" in output
