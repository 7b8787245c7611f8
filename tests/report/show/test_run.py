"""Files of a run: finished, crashed, in progress, interrupted, and damaged."""

import json

import numpy as np
import pytest

from stablebert.config.serialize import to_yaml
from stablebert.drafts import open_draft
from stablebert.report.records import ReportError
from stablebert.report.show.run import is_run_folder, read_run
from stablebert.runs.claims import hold_claim
from stablebert.runs.predictions import digest_of, serialize_predictions
from tests.helpers.predicted_runs import make_part
from tests.helpers.runs import make_run, make_run_record, store_run_record

PARTS = {"test_at_best": make_part([[0, 1], [1, 0]], labels=[1, 1])}


@pytest.fixture
def run(tmp_path):
    """Run of RTE without any file but its configuration."""
    run = make_run(tmp_path, "task=rte", "method=reinit", "seed=3")
    run.folder.mkdir(parents=True)
    (run.folder / "config.yaml").write_text(to_yaml(run.cfg))
    return run


@pytest.fixture
def finished(run):
    """The run with a record, a history and predictions."""
    store_run_record(run, make_run_record(run, predictions_digest=digest_of(PARTS)))
    (run.folder / "history.jsonl").write_text('{"step": 5, "val/score": 0.5}\n')
    (run.folder / "predictions.parquet").write_bytes(serialize_predictions({run.key: PARTS}))
    return run


def test_a_finished_run_has_its_record_configuration_history_and_predictions(finished):
    shown = read_run(finished.folder)
    assert shown.state == "finished"
    assert shown.name == "RTE reinit 3epochs seed 3"
    assert shown.record.seeds == finished.seeds
    assert shown.config["optimizer.lr"] == finished.cfg.optimizer.lr
    assert shown.history["val/score"].values.tolist() == [0.5]
    assert np.array_equal(shown.test.logits, PARTS["test_at_best"].logits)
    assert shown.notes == ()


def test_absent_files_of_a_finished_run_are_named(finished):
    for name in ("config.yaml", "history.jsonl", "predictions.parquet"):
        (finished.folder / name).unlink()
    notes = read_run(finished.folder).notes
    assert sorted(notes) == sorted(
        f"{finished.folder / name} is absent"
        for name in ("config.yaml", "history.jsonl", "predictions.parquet")
    )


@pytest.mark.parametrize("name", ["config.yaml", "history.jsonl", "predictions.parquet"])
def test_a_damaged_file_is_named_and_the_others_are_shown(finished, name):
    (finished.folder / name).write_bytes(b"{: \xff")
    shown = read_run(finished.folder)
    (note,) = shown.notes
    assert name in note
    available = [bool(shown.config), bool(shown.history), bool(shown.predictions)]
    assert available.count(False) == 1


def test_predictions_of_another_training_are_not_shown(finished):
    others = {"test_at_best": make_part([[0, 2], [1, 0]], labels=[1, 1])}
    content = serialize_predictions({finished.key: others})
    (finished.folder / "predictions.parquet").write_bytes(content)
    shown = read_run(finished.folder)
    assert shown.test is None
    assert "their digest differs" in shown.notes[0]


def test_a_damaged_record_is_an_error(finished):
    (finished.folder / "result.json").write_text("{")
    with pytest.raises(ReportError, match=r"result\.json: .*force=true runs it again"):
        read_run(finished.folder)


def test_a_run_in_the_folder_of_another_is_shown_with_a_note(finished, tmp_path):
    copy = tmp_path / "copy"
    finished.folder.rename(copy)
    shown = read_run(copy)
    assert shown.record
    assert "not in the folder of its run" in shown.notes[0]


@pytest.mark.parametrize("crash", [{"error": "GridError", "step": None}, {"error": "E"}])
def test_a_crash_at_an_unknown_step_names_no_step(run, crash):
    """The grid does not know at which step a worker died."""
    (run.folder / "crash.json").write_text(json.dumps(crash))
    assert read_run(run.folder).state == "crashed"


def test_a_crashed_run_says_at_which_step(run):
    crash = {"error": "OutOfMemoryError", "message": "no memory", "step": 7, "traceback": "x"}
    (run.folder / "crash.json").write_text(json.dumps(crash))
    (run.folder / "history.jsonl").write_text("")
    shown = read_run(run.folder)
    assert shown.state == "crashed at step 7"
    assert shown.crash["message"] == "no memory"
    assert shown.name == "RTE reinit 3epochs seed 3"


def test_a_run_in_progress_says_so(run):
    with hold_claim(run.folder):
        assert read_run(run.folder).state.startswith("in progress: process ")


def test_a_run_in_progress_has_the_complete_lines_of_its_history(run):
    draft, file = open_draft(run.folder / "history.jsonl")
    with file:
        file.write('{"step": 5, "val/score": 0.5}\n{"step": 6, "val/sc')
        file.flush()
        assert read_run(run.folder).history["val/score"].steps.tolist() == [5]
    draft.unlink()


def test_a_forced_run_in_progress_still_has_its_record(finished):
    with hold_claim(finished.folder):
        shown = read_run(finished.folder)
    assert shown.state.startswith("finished, and in progress: process ")
    assert shown.record


def test_a_run_with_neither_record_nor_process_was_interrupted(run):
    assert read_run(run.folder).state.startswith("interrupted")


@pytest.mark.parametrize(("files", "aim"), [([], "start over"), (["checkpoint.ckpt"], "resume")])
def test_an_interrupted_run_says_whether_it_can_resume(run, files, aim):
    for name in files:
        (run.folder / name).touch()
    assert read_run(run.folder).state.endswith(f"rerun the command to {aim}")


@pytest.mark.parametrize("name", ["result.json", "crash.json", "config.yaml", "claim.json"])
def test_a_folder_with_a_file_of_a_run_is_one_of_a_run(tmp_path, name):
    assert not is_run_folder(tmp_path)
    (tmp_path / name).touch()
    assert is_run_folder(tmp_path)
