"""Analyses in reports: what is printed, what is written, and why one does not apply."""

import re
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.report.analyses import sections
from stablebert.report.analyses.base import Analysis, Findings, Number, Request
from stablebert.report.analyses.registry import ANALYSES, parse_names
from stablebert.report.render import Entry, Table
from stablebert.report.sweep_report import write_report
from tests.helpers.records import make_cell, make_record, read_csv

DOCS = Path(__file__).parents[3] / "docs"


def analysis(name, value=1.0, obstacle=""):
    """An analysis with one number, a table of it, and a sentence."""
    table = Table(title="Numbers", head=["n"], rows=[[Entry(text=f"{value:.1f}")]], labels=0)
    return Analysis(
        name=name,
        summary="a number",
        obstacle=lambda _: obstacle,
        analyze=lambda basis: Findings(
            tables=[table],
            sentences=[f"The number is {value}."],
            numbers=[Number(cell=basis.cells[0], quantity="x", value=value)],
        ),
    )


@pytest.fixture
def report(monkeypatch, tmp_path):
    """Write the report of one run with the given analyses, and return its text."""
    cell = make_cell(task="rte", seeds=[0])

    def write(*analyses, names=()):
        monkeypatch.setattr(sections, "ANALYSES", {a.name: a for a in analyses})
        request = Request(names=names)
        return write_report([cell], [make_record(cell)], out=tmp_path, name="t", request=request)

    return write


def test_by_default_a_line_says_which_analyses_apply(report, tmp_path):
    text = report(analysis("one"), analysis("two", obstacle="no"), analysis("three"))
    assert text.splitlines()[-1] == (
        "Analyses of these runs: one, three; print them with --analysis NAME,... or "
        f"--analysis all, or see {tmp_path}/t.md."
    )
    assert "The number is" not in text


def test_without_an_analysis_a_line_says_so(report):
    assert report(analysis("one", obstacle="no")).endswith(
        "\nNo further analysis applies to these runs.\n"
    )


def test_requested_analyses_follow_the_report(report):
    text = report(analysis("one"), analysis("two", 2.5), names=["two"])
    assert text.endswith("\n\nt: two\n\nNumbers\n  n\n---\n2.5\n\nThe number is 2.5.\n")
    assert "t: one" not in text


def test_the_reason_of_a_requested_analysis_that_does_not_apply_is_printed(report):
    assert report(analysis("one", obstacle="no seeds"), names=["one"]).endswith(
        "\none does not apply: no seeds\n"
    )


def test_markdown_has_every_analysis_that_ran(report, tmp_path):
    report(analysis("one"), analysis("two", 2.0), analysis("three", obstacle="no"))
    text = (tmp_path / "t.md").read_text()
    assert "# t: one" in text
    assert "* The number is 2.0." in text
    assert "t: three" not in text


def test_numbers_are_written_unrounded_with_their_cell(report, tmp_path):
    report(analysis("one", 1 / 3))
    assert read_csv(tmp_path / "t-one.csv") == [
        {
            "scale": "mini",
            "task": "rte",
            "method": "standard",
            "length": "3epochs",
            "config_id": "rte-standard-3epochs-mini",
            "baseline": "",
            "quantity": "x",
            "level": "",
            "value": str(1 / 3),
            "low": "",
            "high": "",
        }
    ]


def test_files_of_analyses_that_did_not_run_are_not_written(report, tmp_path):
    report(analysis("one", obstacle="no"))
    assert not (tmp_path / "t-one.csv").exists()


def test_files_of_an_earlier_report_are_replaced_or_deleted(report, tmp_path):
    report(analysis("one"), analysis("two"))
    report(analysis("one", 2.0), analysis("two", obstacle="no"))
    assert not (tmp_path / "t-two.csv").exists()
    assert read_csv(tmp_path / "t-one.csv")[0]["value"] == "2.0"


def test_names_of_records_are_escaped_in_csv(monkeypatch, tmp_path):
    monkeypatch.setattr(sections, "ANALYSES", {"one": analysis("one")})
    cells = [make_cell(**{"model.name": name}) for name in ("=1+1", "\x1b[31m")]
    write_report(cells, [make_record(cells[0])], out=tmp_path, name="t")
    assert read_csv(tmp_path / "t-one.csv")[0]["model.name"] == "'=1+1"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cost", ("cost",)),
        ("cost, paired,cost", ("cost", "paired")),
        ("all", tuple(ANALYSES)),
        ("cost,all", tuple(ANALYSES)),
    ],
)
def test_names_of_analyses_are_lists(text, names):
    assert parse_names(text) == names


@pytest.mark.parametrize("text", ["pairs", "all,pairs", "", "paired,"])
def test_an_unknown_analysis_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["report", "table1", "--analysis", text])
    assert f"choose from {', '.join(ANALYSES)}, all" in capsys.readouterr().err


def test_a_typing_error_has_a_suggestion():
    with pytest.raises(ValueError, match="unknown analysis 'pared'; did you mean paired"):
        parse_names("pared")


@pytest.mark.parametrize("option", ["--analysis=all", "--margin=2", "--target=0"])
def test_the_table_of_the_data_has_no_analyses(option, capsys):
    with pytest.raises(SystemExit):
        main(["report", "table3", option])
    name = option.partition("=")[0]
    assert f"table3 describes data and has no analyses; remove {name}" in capsys.readouterr().err


@pytest.mark.parametrize(("page", "head"), [("grid", "| analysis |"), ("statistics", "| name |")])
def test_the_page_lists_the_analyses_in_the_order_of_reports(page, head):
    table = (DOCS / f"{page}.md").read_text().partition(head)[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(ANALYSES)
