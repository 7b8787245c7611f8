"""Sentences about comparisons and failed runs."""

import pytest

from stablebert.report.compare import analyze_cells
from stablebert.report.join import join_records
from stablebert.report.sentences import summarize_findings
from tests.helpers.records import make_cell, make_record

SCORES = {
    ("rte", "standard"): [0.50, 0.52, 0.54, 0.56, 0.53],
    ("rte", "reinit"): [0.80, 0.82, 0.84, 0.82, 0.83],
    ("cola", "standard"): [0.1, 0.3, 0.2, 0.4, 0.3],
    ("cola", "reinit"): [0.2, 0.3, 0.2, 0.4, 0.3],
    ("mrpc", "standard"): [0.80, 0.82, 0.84, 0.82, 0.83],
    ("mrpc", "reinit"): [0.50, 0.52, 0.54, 0.56, 0.53],
    ("stsb", "standard"): [0.80, 0.82, 0.84, 0.82, 0.83],
    ("stsb", "reinit"): [0.90, 0.92, 0.94, 0.92],
}


def analyze(cells, records):
    return analyze_cells(join_records(cells, records).results, mark_by="test")


@pytest.fixture(scope="module")
def sentences():
    cells = {key: make_cell(*key, seeds=range(5)) for key in SCORES}
    records = [
        make_record(cells[key], seed, score, status="failed" if score < 0.25 else "ok")
        for key, scores in SCORES.items()
        for seed, score in enumerate(scores)
    ]
    return summarize_findings(analyze(list(cells.values()), records), ["method"])


def test_a_row_is_contrasted_with_its_baseline_task_by_task(sentences):
    assert sentences[0] == (
        "reinit against standard: significantly higher on RTE +29.2; significantly lower on MRPC "
        "-29.2; inconclusive on CoLA +2.0; not compared on STS-B (4 of 5 runs)."
    )


def test_failed_runs_and_runs_at_chance_are_counted_by_row(sentences):
    assert sentences[1] == (
        "Failed runs: 2 of 20 with standard, 2 of 19 with reinit. "
        "Runs at chance: 5 of 20 with standard, 4 of 19 with reinit."
    )


WILD, CALM = [0.5, 0.7, 0.51, 0.7, 0.5, 0.71], [0.6, 0.61, 0.6, 0.61, 0.6, 0.62]


@pytest.mark.parametrize(
    ("standard", "reinit", "word"), [(WILD, CALM, "smaller"), (CALM, WILD, "larger")]
)
def test_a_significantly_different_spread_is_reported(standard, reinit, word):
    cells = [make_cell(seeds=range(6)), make_cell(method="reinit", seeds=range(6))]
    records = [
        make_record(cell, seed, score)
        for cell, scores in zip(cells, (standard, reinit), strict=True)
        for seed, score in enumerate(scores)
    ]
    sentence, _ = summarize_findings(analyze(cells, records), ["method"])
    assert sentence.endswith(f"; significantly {word} spread over seeds on RTE.")


def test_other_parameters_are_named_with_their_values():
    cells = [make_cell(method="reinit", depth=d) for d in ("1", "2")]
    records = [make_record(cells[0]), make_record(cells[1], status="failed")]
    assert summarize_findings(analyze(cells, records), ["depth"]) == [
        "Failed runs: 0 of 1 with depth=1, 1 of 1 with depth=2. No run ended at chance."
    ]


def test_without_failed_runs_one_sentence_says_so():
    cell = make_cell()
    assert summarize_findings(analyze([cell], [make_record(cell)]), []) == [
        "No run failed. No run ended at chance."
    ]


def test_without_runs_there_is_nothing_to_say():
    assert summarize_findings(analyze([make_cell()], []), []) == []


def test_a_row_without_runs_is_not_counted():
    """And without parameters that distinguish rows, a row has the name of its method."""
    cells = [make_cell(), make_cell(method="reinit")]
    records = [make_record(cells[0], status="failed")]
    for labels in (["method"], []):
        assert summarize_findings(analyze(cells, records), labels) == [
            "Failed runs: 1 of 1 with standard. No run ended at chance."
        ]


def test_tasks_that_are_not_compared_for_the_same_reason_share_it():
    cells = [make_cell(t, m) for t in ("rte", "mrpc") for m in ("standard", "reinit")]
    records = [make_record(cell, seed) for cell in cells for seed in (0, 1)]
    sentence = "reinit against standard: not compared on RTE, MRPC (2 runs, fewer than 5)."
    assert summarize_findings(analyze(cells, records), ["method"])[0] == sentence


def test_depths_of_reinit_are_contrasted_with_standard():
    seeds, depth = range(5), "reinit.num_layers"
    cells = [make_cell(seeds=seeds), make_cell(method="reinit", seeds=seeds, **{depth: 3})]
    scores = {cells[0].config_id: 0.5, cells[1].config_id: 0.6}
    records = [make_record(c, i, scores[c.config_id] + i / 1000) for c in cells for i in seeds]
    sentence = f"reinit {depth}=3 against standard: significantly higher on RTE +10.0."
    assert summarize_findings(analyze(cells, records), ["method", depth])[0] == sentence


def test_rows_that_are_not_compared_for_the_same_reason_share_a_sentence():
    depth = "reinit.num_layers"
    cells = [make_cell(), *(make_cell(method="reinit", **{depth: i}) for i in (1, 2))]
    records = [make_record(cell, seed) for cell in cells for seed in (0, 1)]
    sentence = (
        f"reinit {depth}=1, reinit {depth}=2 against standard: not compared on RTE (2 runs, fewer "
        "than 5)."
    )
    assert summarize_findings(analyze(cells, records), ["method", depth])[0] == sentence


def test_a_generated_task_is_named_as_such():
    cells = [make_cell(method=m, scale="demo") for m in ("standard", "reinit")]
    records = [make_record(cell) for cell in cells]
    sentence = "reinit against standard: not compared on demo-rte (1 of 2 runs)."
    assert summarize_findings(analyze(cells, records), ["method"])[0] == sentence
