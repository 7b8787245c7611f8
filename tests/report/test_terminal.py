"""A report as it is read in a terminal."""

from dataclasses import replace
from pathlib import Path

import pytest

from stablebert.report.analyses.base import Request
from stablebert.report.columns import width_of
from stablebert.report.sweep_report import build_report
from stablebert.report.terminal import Advice, render_terminal
from tests.helpers.records import make_cell, make_record

ADVICE = Advice(full="stablebert report t --full", grid="stablebert grid t")
SEEDS = range(5)
STANDARD = make_cell(seeds=SEEDS, paper_model="BERT", scale="paper")
REINIT = replace(STANDARD, method="reinit", config_id="reinit")


def runs(cell, scores, **changes):
    return [make_record(cell, seed, score, **changes) for seed, score in enumerate(scores)]


def show(cells, records, *, width=80, name="table1", **options):
    report = build_report(cells, records, name=name, **options)
    return render_terminal(report, Path("reports"), width=width, advice=ADVICE)


def body(text):
    """Lines of the first table below its head, single-spaced."""
    lines = text.split("\n\n")[1].splitlines()[2:]
    return [" ".join(line.split()) for line in lines]


SCORES = [0.70, 0.71, 0.72, 0.73, 0.74]
BETTER = [0.80, 0.81, 0.82, 0.83, 0.84]


def test_a_row_has_mean_and_deviation_and_the_numbers_of_the_paper_below():
    text = show([STANDARD, REINIT], [*runs(STANDARD, SCORES), *runs(REINIT, BETTER)])
    assert body(text) == [
        "standard 3epochs 72.0 ± 1.6",
        "paper 69.5 ± 2.5",
        "reinit 3epochs 82.0 ± 1.6*",
        "paper 72.6 ± 1.6",
    ]


def test_failed_runs_and_runs_at_chance_are_below_their_score():
    records = runs(STANDARD, [0.5, 0.5, 0.72, 0.73, 0.74])
    records[0] = replace(records[0], status="failed")
    assert body(show([STANDARD], records)) == [
        "standard 3epochs 63.8 ± 12.6",
        "failed 1/5",
        "at chance 2/5",
        "paper 69.5 ± 2.5",
    ]


def test_an_incomplete_cell_has_its_number_of_runs():
    assert "runs 3/5" in body(show([STANDARD], runs(STANDARD, SCORES[:3])))


def test_runs_selected_by_pruning_are_marked_as_such():
    pruned = [[i, i] for i in range(9)]
    assert "selected 5/5" in body(show([STANDARD], runs(STANDARD, SCORES, pruned_from=pruned)))


def test_only_what_the_table_shows_is_explained():
    text = show([STANDARD], runs(STANDARD, SCORES))
    assert "paper: the same model on the same tasks." in text
    assert "failed:" not in text


def test_sentences_are_those_of_the_report():
    text = show([STANDARD, REINIT], [*runs(STANDARD, SCORES), *runs(REINIT, BETTER)])
    assert "reinit against standard: significantly higher on RTE +10.0." in text


def test_rows_and_tasks_without_runs_are_left_out():
    empty = make_cell("mrpc", seeds=SEEDS, scale="paper")
    text = show([STANDARD, REINIT, empty], runs(STANDARD, SCORES))
    assert ("reinit" in text, "MRPC" in text) == (False, False)


def test_missing_runs_are_counted_with_the_command_that_trains_them():
    text = show([STANDARD, REINIT], runs(STANDARD, SCORES))
    assert "missing: 5 of 10 runs; train them with\n    stablebert grid t\n" in text


def test_skipped_files_and_other_records_are_counted_with_the_command_that_lists_them():
    other = runs(replace(STANDARD, config_id="other"), SCORES)
    stranger = make_record(make_cell("cola", scale="paper"))
    notes = ["skipped: x/result.json: damaged", "an assumption"]
    text = show([STANDARD], [*runs(STANDARD, SCORES), *other, stranger], notes=notes)
    assert (
        "not counted: 1 similar configuration, 1 other record; skipped: 1 file; 1 note; list them "
        "with stablebert report t --full "
    ) in " ".join(text.split())


def test_nothing_is_warned_about_without_reason():
    text = show([STANDARD], runs(STANDARD, SCORES))
    assert not any(word in text for word in ("missing:", "not counted:", "skipped:"))


def test_the_last_line_says_where_everything_is():
    lines = show([STANDARD], runs(STANDARD, SCORES)).splitlines()
    assert lines[-1] == (
        "All numbers, tests, and definitions: reports/table1.md, .csv, .tex; or --full"
    )


def test_a_sweep_without_runs_says_so():
    text = show([STANDARD], [])
    assert text.startswith("table1: no runs yet\nmissing: 5 of 5 runs; train them with")


def test_a_search_has_one_row_per_cell():
    cells = [make_cell("rte", seeds=SEEDS, **{"optimizer.lr": lr}) for lr in ("1e-5", "2e-5")]
    text = show(cells, [*runs(cells[0], SCORES), *runs(cells[1], BETTER)], name="rates")
    assert text.split("\n\n")[1].splitlines()[0].split() == ["task", "lr", "validation", "test"]
    assert body(text) == ["RTE 1e-5 72.0 ± 1.6 72.0 ± 1.6", "RTE 2e-5 82.0 ± 1.6* 82.0 ± 1.6"]


def test_the_rows_of_a_search_are_grouped_by_task():
    cells = [
        make_cell(task, seeds=SEEDS, **{"optimizer.lr": lr})
        for lr in ("1e-5", "2e-5")
        for task in ("rte", "cola")
    ]
    text = show(cells, [record for cell in cells for record in runs(cell, SCORES)], name="rates")
    assert [line.split()[0] for line in body(text)] == ["RTE", "RTE", "CoLA", "CoLA"]


def test_a_search_shows_few_sentences_and_counts_the_others():
    cells = [
        make_cell(method=method, seeds=SEEDS, **{"optimizer.lr": f"{i}e-5"})
        for i in range(1, 11)
        for method in ("standard", "reinit")
    ]
    records = [
        record
        for cell in cells
        for record in runs(cell, BETTER if cell.config_id.startswith("rte-reinit") else SCORES)
    ]
    text = " ".join(show(cells, records, name="rates").split())
    assert text.count("significantly higher") == 8
    assert "2 more comparisons in the files." in text


def test_cells_in_different_precisions_are_warned_about():
    records = [*runs(STANDARD, SCORES), *runs(REINIT, BETTER, precision="bf16-mixed")]
    assert "Cells ran in different precisions" in show([STANDARD, REINIT], records)


def test_a_requested_analysis_is_printed():
    cells, records = [STANDARD, REINIT], [*runs(STANDARD, SCORES), *runs(REINIT, BETTER)]
    text = show(cells, records, request=Request(names=["paired"]))
    assert "table1: paired" in text


def test_a_requested_analysis_that_does_not_apply_says_why():
    text = show([STANDARD], runs(STANDARD, SCORES), request=Request(names=["rates"]))
    assert "rates does not apply:" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_line_but_commands_fits_into_the_terminal(width):
    tasks = ["rte", "mrpc", "stsb", "cola", "sst2", "qnli", "qqp", "mnli"]
    tasks += [f"{task}_1k" for task in tasks[:4]]
    cells = [
        make_cell(task, method, seeds=SEEDS, scale="paper")
        for task in tasks
        for method in ("standard", "reinit+mixout+llrd+pretrained_wd")
    ]
    records = [record for cell in cells for record in runs(cell, SCORES)]
    lines = show(cells, records, width=width).splitlines()
    assert [x for x in lines if width_of(x) > width and not x.startswith("    ")] == []


def test_names_with_control_characters_are_escaped():
    model = "evil\x1b[2Jmodel"
    cells = [make_cell(seeds=SEEDS, **{"model.name": name}) for name in (model, "other")]
    records = [record for cell in cells for record in runs(cell, SCORES)]
    text = show(cells, records)
    assert "\x1b" not in text
    assert "evil\\x1b[2Jmodel" in text
