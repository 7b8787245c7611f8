"""Tables of a sweep's report, as plain text."""

import pytest

from stablebert.report.compare import analyze_cells
from stablebert.report.join import join_records
from stablebert.report.sweep_report import write_report
from stablebert.report.tables import (
    comparison_tables,
    distribution_table,
    list_table,
    paper_layout_tables,
)
from tests.helpers.records import make_cell, make_record, table_lines


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Report on three tasks: one whose runs failed, one with an incomplete cell, one complete."""
    cells = [
        make_cell(t, m, seeds=range(5))
        for t in ("cola", "rte", "mrpc")
        for m in ("standard", "reinit")
    ]
    records = [make_record(cells[2], s, x) for s, x in enumerate([0.50, 0.52, 0.54, 0.56, 0.53])]
    records += [make_record(cells[3], s, x) for s, x in enumerate([0.80, 0.82, 0.84, 0.82])]
    records += [make_record(cells[4], s, x) for s, x in enumerate([0.80, 0.82, 0.81, 0.82, 0.83])]
    records += [make_record(cells[5], s, x) for s, x in enumerate([0.90, 0.92, 0.91, 0.92, 0.93])]
    records += [make_record(cells[0], s, 0.0, status="failed") for s in range(5)]
    return write_report(cells, records, out=tmp_path_factory.mktemp("report"), name="table1")


def test_scores_are_in_the_papers_layout(text):
    assert table_lines(text, "Test score x 100: RTE, MRPC, CoLA") == [
        "method length RTE paper (BERT-large) MRPC paper (BERT-large) CoLA paper (BERT-large)",
        "standard 3epochs 53.0 ± 2.2 69.5 ± 2.5 81.6 ± 1.1 90.8 ± 1.3 0.0 ± 0.0 63.0 ± 1.5",
        "at chance 5/5 failed 5/5",
        "at chance 5/5",
        "reinit 3epochs 82.0 ± 1.6 72.6 ± 1.6 91.6 ± 1.1* 91.4 ± 0.8 - 63.9 ± 1.9",
        "n=4 of 5",
    ]


def test_distributions_are_shown_per_cell(text):
    assert table_lines(text, "Distribution over seeds")[1:5] == [
        "CoLA standard 5 5/5 5/5 0.0 0.0 0.0 - 0.0 0.0 cola-standard-3epochs-mini",
        "CoLA reinit 0 - - - - - - - - cola-reinit-3epochs-mini",
        "RTE standard 5 0/5 5/5 53.0 50.0 56.0 - 55.3 55.3 rte-standard-3epochs-mini",
        "RTE reinit 4 0/4 0/4 82.0 80.0 84.0 - - - rte-reinit-3epochs-mini",
    ]


def test_complete_cells_are_compared_and_others_say_why_not(text):
    lines = table_lines(text, "Compared with standard 3epochs")[1:]
    assert lines[:2] == ["RTE reinit - - - - - - - - -", "4 of 5 runs"]
    assert lines[2].startswith("MRPC reinit +10.0 [")
    assert len(lines) == 3


def report(cells, records, folder):
    return write_report(cells, records, out=folder, name="t")


def test_tasks_are_in_the_papers_blocks(tmp_path):
    names = ["mnli_1k", "rte_1k", "cola", "sst2_1k", "rte", "mrpc_1k"]
    text = report([make_cell(name) for name in names], [], tmp_path)
    assert [line for line in text.splitlines() if line.startswith("Test score")] == [
        "Test score x 100: RTE, CoLA",
        "Test score x 100: RTE (1k), MRPC (1k)",
        "Test score x 100: SST-2 (1k), MNLI (1k)",
    ]


def test_models_get_a_row_each(tmp_path):
    models = {"org/bert": None, "FacebookAI/roberta-large": "RoBERTa"}
    cells = [make_cell(paper_model=paper, **{"model.name": m}) for m, paper in models.items()]
    assert table_lines(report(cells, [], tmp_path), "Test score") == [
        "model method length RTE paper",
        "org/bert standard 3epochs - -",
        "FacebookAI/roberta-large standard 3epochs - 78.2 ± 12.1",
    ]


def test_other_parameters_get_a_row_each(tmp_path):
    cells = [
        make_cell(method="reinit", seeds=range(5), **{"reinit.num_layers": d}) for d in ("1", "2")
    ]
    records = [make_record(cells[0], s, 0.6, val=0.9 - s / 100) for s in range(5)]
    records += [make_record(cells[1], s, 0.8, val=0.5 + s / 100) for s in range(5)]
    assert table_lines(report(cells, records, tmp_path), "Score x 100") == [
        "task reinit.num_layers best validation test",
        "RTE 1 88.0 ± 1.6* 60.0 ± 0.0",  # validation decides a search
        "RTE 2 52.0 ± 1.6 80.0 ± 0.0",
    ]


def test_a_table_without_a_baseline_has_no_comparisons(tmp_path):
    cells = [make_cell(method="reinit", **{"reinit.num_layers": d}) for d in ("1", "2")]
    records = [make_record(cell, s) for cell in cells for s in (0, 1)]
    assert "Compared with" not in report(cells, records, tmp_path)


def test_a_parameter_that_all_cells_share_does_not_change_the_layout(tmp_path):
    cells = [make_cell(task, **{"trainer.epochs": "1"}) for task in ("rte", "cola")]
    assert "Test score x 100: RTE, CoLA" in report(cells, [], tmp_path)


@pytest.mark.parametrize(
    ("scale", "head"),
    [
        ("demo", "method length demo-rte paper (real RTE, BERT-large)"),
        ("mini", "method length RTE paper (BERT-large)"),
        ("paper", "method length RTE paper"),
    ],
)
def test_the_column_of_the_paper_names_what_differs(tmp_path, scale, head):
    assert table_lines(report([make_cell(scale=scale)], [], tmp_path), "Test score")[0] == head


def test_a_generated_task_never_reads_like_the_real_one(tmp_path):
    cell = make_cell(scale="demo")
    text = report([cell], [make_record(cell, s) for s in (0, 1)], tmp_path)
    assert "RTE" not in text.replace("(real RTE, BERT-large)", "")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Report on ten runs per cell: a cell that is better, and two that never vary."""
    cells = [make_cell(t, m, seeds=range(10)) for t, m in [("rte", "standard"), ("rte", "reinit")]]
    cells += [make_cell("cola", m, seeds=range(10)) for m in ("standard", "reinit")]
    records = [make_record(cells[0], s, 0.50 + s / 100) for s in range(10)]
    records += [make_record(cells[1], s, 0.53 + s / 50, val=0.7 - s / 50) for s in range(10)]
    records += [make_record(cell, s, 0.5) for cell in cells[2:] for s in range(10)]
    return report(cells, records, tmp_path_factory.mktemp("report"))


def test_comparisons_word_for_word(compared):
    assert table_lines(compared, "Compared with standard 3epochs") == [
        "task method Δ mean [95% CI] p Student p Welch p Holm P(better) sd ratio p sd p sd Holm "
        "detectable Δ",
        "RTE reinit +7.5 [+2.9, +12.1] .001 .004 .015 0.86 2.00 .034 .134 7.8",
        "CoLA reinit +0.0 [+0.0, +0.0] .500 1.000 1.000 0.50 - 1.000 1.000 0.0",
    ]


def test_distributions_of_ten_runs_word_for_word(compared):
    assert table_lines(compared, "Distribution over seeds")[2] == (
        "RTE reinit 10 0/10 3/10 62.0 53.0 71.0 62.0 [57.3, 66.7] 67.6 55.4 rte-reinit-3epochs-mini"
    )


def test_a_p_value_below_one_in_a_thousand_is_not_printed_as_zero(tmp_path):
    cells = [make_cell(method=m, seeds=range(5)) for m in ("standard", "reinit")]
    records = [make_record(cells[0], s, 0.3 + s / 100) for s in range(5)]
    records += [make_record(cells[1], s, 0.8 + s / 100) for s in range(5)]
    line = table_lines(report(cells, records, tmp_path), "Compared with")[1]
    assert " <.001 <.001 <.001 1.00 1.00 " in line


def test_a_single_run_has_no_deviation(tmp_path):
    cell = make_cell(seeds=[0])
    text = report([cell], [make_record(cell)], tmp_path)
    assert table_lines(text, "Test score")[1] == "standard 3epochs 70.0 69.5 ± 2.5"


def test_a_combination_that_the_sweep_lacks_is_empty(tmp_path):
    cells = [make_cell(), make_cell(method="reinit"), make_cell("my_task")]
    records = [make_record(cell) for cell in cells[:2]]
    text = report(cells, records, tmp_path)
    assert table_lines(text, "Test score x 100: my_task")[1:] == [
        "standard 3epochs -",
        "reinit 3epochs -",
    ]


@pytest.mark.parametrize("changes", [{}, {"model.name": "m"}, {"depth": "1"}])
def test_the_first_columns_of_every_table_are_its_labels(changes):
    cells = [make_cell(seeds=range(5)), make_cell(method="reinit", seeds=range(5), **changes)]
    cells += [make_cell(seeds=range(5), **changes)] if changes else []
    records = [make_record(cell, s, s / 10) for cell in cells for s in range(5)]
    rows = analyze_cells(join_records(cells, records).results, mark_by="test")
    labels = ["task", "method", *changes]
    tables = [list_table(rows), distribution_table(rows), *comparison_tables(rows)]
    assert [table.head[: table.labels] for table in tables] == [labels] * 3
    model = ["model"] if "model.name" in changes else []
    if "depth" not in changes:
        (scores,) = paper_layout_tables(rows, "t")
        assert scores.head[: scores.labels] == [*model, "method", "length"]
