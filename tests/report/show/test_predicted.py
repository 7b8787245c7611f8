"""Tables of predictions against counts by hand, and texts of rows."""

from dataclasses import replace
from math import log

import numpy as np
from pyarrow import parquet

from stablebert.glue.sources import resolve
from stablebert.report.show.predicted import count_table, hardest
from stablebert.report.show.run import ShownRun
from stablebert.tasks import TASKS
from tests.helpers.predicted_runs import make_part
from tests.helpers.records import make_cell, make_record

LABELS = [0, 0, 0, 1, 1]
LOGITS = [[2, 0], [0, 2], [1, 0], [0, 3], [0, 1]]
"""Rows 0, 2, 3 and 4 are right; row 1 has the loss log(1 + e^2)."""


def shown(task="rte", logits=LOGITS, labels=LABELS, *, place="test_at_best", **changes):
    """Return a run with test predictions made by hand."""
    record = make_record(make_cell(task), **changes)
    part = make_part(logits, labels=labels)
    return ShownRun(place="here", state="finished", record=record, predictions={place: part})


def texts_of(table):
    return [[entry.text for entry in row] for row in table.rows]


def test_the_confusion_matrix_has_labels_in_rows_and_predictions_in_columns():
    run = shown()
    table = count_table(run, run.test)
    assert table.head == ["label", "entailment", "not_entailment", "right"]
    assert texts_of(table) == [
        ["entailment", "2", "1", "66.7%"],
        ["not_entailment", "0", "2", "100.0%"],
    ]
    assert table.title.endswith("with the best weights")


def test_a_run_without_best_weights_shows_the_last():
    run = shown(place="test_at_last")
    assert count_table(run, run.test).title.endswith("with the last weights")


def test_rows_without_a_number_have_a_column_of_their_own():
    run = shown(logits=[[np.nan, 0], *LOGITS[1:]])
    table = count_table(run, run.test)
    assert table.head[-2:] == ["no number", "right"]
    assert texts_of(table)[0] == ["entailment", "1", "1", "1", "33.3%"]


def test_a_class_without_rows_has_no_share():
    run = shown(logits=[[1, 0]], labels=[0])
    assert texts_of(count_table(run, run.test))[1] == ["not_entailment", "0", "0", "-"]


def test_classes_of_an_unknown_task_are_numbered():
    run = shown(task="rte", logits=[[0, 0, 1, 0]], labels=[2])
    assert [row[0] for row in texts_of(count_table(run, run.test))] == ["0", "1", "2", "3"]


def test_scores_are_counted_in_bins_and_summarized_by_spearman():
    # ranks 1 2 3 4 against 1 2 4 3: rho = 1 - 6 * 2 / (4 * 15) = 0.8
    run = shown("stsb", logits=[[-1.0], [1.5], [5.5], [4.5]], labels=[0.5, 1.0, 3.0, 5.0])
    table = count_table(run, run.test)
    assert table.head == ["label", "0-1", "1-2", "2-3", "3-4", "4-5", "right"]
    assert "Spearman 80.0" in table.title
    assert [row[1:-1] for row in texts_of(table)] == [
        ["1", "0", "0", "0", "0"],
        ["0", "1", "0", "0", "0"],
        ["0", "0", "0", "0", "0"],
        ["0", "0", "0", "0", "1"],
        ["0", "0", "0", "0", "1"],
    ]


def test_bins_of_an_unknown_regression_cover_its_labels():
    run = shown("stsb", logits=[[10.0], [90.0]], labels=[12.0, 87.5])
    run = replace(run, record=replace(run.record, task="essays"))
    head = count_table(run, run.test).head
    low, high = int(head[1].split("-")[0]), int(head[-2].split("-")[1])
    assert low == 12
    assert 88 <= high < 100


def test_the_hardest_rows_have_their_loss_label_and_prediction():
    run = shown()
    rows = hardest(run, run.test, n=1, source="/absent")
    assert [row.facts for row in rows.rows] == [
        {
            "row": "1",
            "loss": f"{log(1 + np.exp(2)):.3g}",
            "label": "entailment",
            "predicted": "not_entailment",
        }
    ]


def test_the_hardest_score_has_the_largest_squared_error():
    run = shown("stsb", logits=[[1.0], [4.5]], labels=[1.5, 2.5])
    (row,) = hardest(run, run.test, n=1, source="/absent").rows
    assert row.facts == {"row": "1", "loss": "4", "label": "2.50", "predicted": "4.50"}


def test_a_loss_that_is_no_number_is_shown_as_such():
    run = shown(logits=[[0, 1], [np.nan, 1]], labels=[0, 0])
    (row,) = hardest(run, run.test, n=1, source="/absent").rows
    assert (row.facts["loss"], row.facts["predicted"]) == ("NaN", "NaN")


# ---------------------------------------------------------------- texts


def texts_and_note(source, **changes):
    run = shown(**changes)
    rows = hardest(run, run.test, n=2, source=source)
    return [row.texts for row in rows.rows], rows.note


def test_the_texts_of_a_folder_are_those_of_its_rows(tiny_glue):
    (file,) = tiny_glue.glob("rte/validation-*.parquet")
    expected = parquet.read_table(file, columns=["sentence1", "sentence2"]).to_pylist()
    identity = resolve(tiny_glue, TASKS["rte"]).identity
    texts, note = texts_and_note(str(tiny_glue), data=identity)
    assert (texts, note) == ([expected[1], expected[2]], "")


def test_the_demo_has_texts_everywhere():
    identity = resolve("demo", TASKS["rte"]).identity
    texts, note = texts_and_note("demo", data=identity)
    assert not note
    assert all(text["sentence1"].endswith(".") for text in texts)


def test_texts_of_other_data_are_not_shown(tiny_glue):
    texts, note = texts_and_note(str(tiny_glue), data="sha256:0123")
    assert texts == [{}, {}]
    assert "the run had sha256:0123" in note
    assert "--data SOURCE" in note


def test_absent_data_are_not_downloaded_and_the_note_says_what_to_do(monkeypatch):
    monkeypatch.setattr("stablebert.hub.fetching.download", None)
    texts, note = texts_and_note("hub")
    assert texts == [{}, {}]
    assert "is not complete in the local cache" in note
    assert "--data SOURCE" in note


def test_rows_that_the_data_lack_are_a_note(tiny_glue):
    identity = resolve(tiny_glue, TASKS["rte"]).identity
    run = shown(data=identity)
    part = make_part(LOGITS, labels=LABELS)
    part.rows[:] = np.arange(10**6, 10**6 + 5)
    rows = hardest(run, part, n=1, source=str(tiny_glue))
    assert rows.note.startswith("no texts")
