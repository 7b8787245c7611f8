"""The record of a run: its scores, its failure, and the classes it predicted."""

import json
import math
import platform
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from stablebert.runs.record import parse_record
from stablebert.runs.seeds import Seeds
from stablebert.tasks import TASKS
from stablebert.training.module import Predictions
from stablebert.training.outcome import (
    concatenate,
    count_predictions,
    device_name,
    has_failed,
    make_record,
    nan_to_zero,
    peak_memory,
)
from tests.helpers.outcomes import grade, make_outcome, predict
from tests.helpers.runs import DATA, MODEL, make_run, store_run_record

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("task", "correct", "totals", "failed"),
    [
        ("rte", (146, 0), (146, 131), True),  # the majority class itself
        ("rte", (100, 46), (146, 131), True),  # as many correct rows, distributed differently
        ("rte", (100, 47), (146, 131), False),
        # accuracy 720/1043 is below 721/1043, though MCC and F1 are above the majority's
        ("cola", (10, 710), (322, 721), True),
        ("mrpc", (10, 269), (129, 279), True),
    ],
)
def test_a_run_has_failed_if_it_is_no_more_accurate_than_the_majority_class(
    task, correct, totals, failed
):
    """docs/pitfalls.md, 32: Mosbach et al. (2021), on the whole dev set."""
    assert has_failed(TASKS[task], predict(correct, totals)) == failed


GRADES = [float(i) for i in range(20)]


@pytest.mark.parametrize(
    ("guesses", "failed"),
    [
        (GRADES, False),
        (GRADES[::-1], True),
        ([0.0] * 20, True),
        ([math.nan] * 20, True),
    ],
    ids=["correlated", "anti-correlated", "constant", "nan"],
)
def test_a_regression_has_failed_without_a_positive_correlation(guesses, failed):
    assert has_failed(TASKS["stsb"], grade(guesses, GRADES)) == failed


def test_a_run_that_collapses_at_the_end_has_failed_though_its_best_is_good():
    """docs/pitfalls.md, 32: the best of eleven validations nearly always beats the majority."""
    collapsed = predict((10, 0), (10, 10))
    outcome = make_outcome(val_at_last=collapsed, test_at_last=collapsed)
    record = make_record(make_run(), outcome)
    assert record.status == "failed"
    assert record.test_at_best > record.majority["test"]


def test_a_score_is_the_reported_metric_of_its_task():
    record = make_record(make_run("runs", "task=mrpc"), make_outcome("mrpc"))
    assert list(record.metrics["test_at_best"]) == ["f1", "accuracy"]
    assert record.test_at_best == record.metrics["test_at_best"]["f1"] == pytest.approx(16 / 19)


def test_a_validation_that_was_nan_gives_score_zero():
    """docs/pitfalls.md, 2: a NaN in a mean would hide the other seeds."""
    record = make_record(make_run(), make_outcome(val_at_best={}, best_step=None))
    assert (record.val_best, record.val_best_step) == (0.0, None)
    assert record.metrics["val_at_best"] == {"accuracy": None}


def test_a_nan_is_null_in_every_metric():
    nan = grade([math.nan] * 20, GRADES)
    outcome = make_outcome("stsb", val_at_last=nan, test_at_last=nan, test_at_best=nan)
    record = make_record(make_run("runs", "task=stsb"), outcome)
    assert record.metrics["test_at_last"] == {"spearman": None, "pearson": None}
    assert (record.status, record.test_at_best, record.test_at_last) == ("failed", 0.0, 0.0)


def test_the_dev_set_is_both_of_its_halves():
    record = make_record(make_run(), make_outcome())
    assert record.predictions["dev_at_last"] == {"entailment": 22, "not_entailment": 18}
    assert record.metrics["dev_at_last"]["accuracy"] == pytest.approx(32 / 40)


LARGE = pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name].holds_out])
"""Tasks that validate on training rows and test on the whole dev set."""


def test_the_large_tasks_are_those_of_the_paper():
    large = {task.config for task in TASKS.values() if task.holds_out}
    assert large == {"sst2", "qnli", "qqp", "mnli"}


@pytest.fixture
def large_record():
    """Function that makes a record of a large task: 9 of 10 validation rows and 3 of 5 dev rows."""

    def large_record(name, val=((8, 1), (9, 1)), test=((1, 2), (2, 3))):
        predictions = {"val_at_last": predict(*val), "test_at_last": predict(*test)}
        return make_record(make_run("runs", f"task={name}"), make_outcome(name, **predictions))

    return large_record


@LARGE
def test_the_dev_set_of_a_large_task_has_no_validation_rows(name, large_record):
    record = large_record(name)
    assert record.metrics["dev_at_last"] == record.metrics["test_at_last"]
    assert record.metrics["dev_at_last"]["accuracy"] == pytest.approx(3 / 5)
    assert record.predictions["dev_at_last"] == record.predictions["test_at_last"]
    assert sum(record.predictions["dev_at_last"].values()) == 5


@LARGE
def test_the_majority_class_of_a_large_task_is_that_of_the_dev_set(name, large_record):
    majority = large_record(name).majority
    assert majority == pytest.approx({"val": 9 / 10, "test": 3 / 5, "dev": 3 / 5})


@LARGE
@pytest.mark.parametrize(
    ("val", "test", "status"),
    [
        (((0, 1), (9, 1)), ((2, 2), (2, 3)), "ok"),
        (((9, 1), (9, 1)), ((0, 3), (2, 3)), "failed"),
    ],
    ids=["failed on validation rows", "failed on dev rows"],
)
def test_a_large_task_fails_on_its_dev_set_alone(name, val, test, status, large_record):
    assert large_record(name, val, test).status == status


@pytest.mark.parametrize(
    ("val", "test", "status"),
    [
        (((5, 3), (5, 5)), ((0, 5), (5, 5)), "ok"),
        (((2, 0), (5, 5)), ((5, 3), (5, 5)), "failed"),
    ],
    ids=["ok with the validation half", "failed with both halves"],
)
def test_a_small_task_fails_on_both_halves_of_its_dev_set(val, test, status):
    halves = {"val_at_last": predict(*val), "test_at_last": predict(*test)}
    assert make_record(make_run(), make_outcome(**halves)).status == status


def test_majority_scores_are_those_of_each_split():
    outcome = make_outcome(
        val_at_last=predict((9, 0), (9, 1)), test_at_last=predict((6, 0), (6, 4))
    )
    majority = make_record(make_run(), outcome).majority
    assert majority == pytest.approx({"val": 0.9, "test": 0.6, "dev": 0.75})


def test_a_record_is_complete():
    record = make_record(make_run("runs", "seed=3"), make_outcome())
    assert parse_record(json.dumps(asdict(record))) == record


def test_a_record_names_its_content_and_its_code():
    record = make_record(make_run(), make_outcome())
    assert (record.data, record.model) == (DATA, MODEL)
    assert record.versions["torch"].startswith(torch.__version__.split("+")[0])


@pytest.mark.parametrize(("uses_gpu", "seconds"), [(True, 3.0), (False, 0.0)])
def test_gpu_seconds_are_the_wall_time_on_a_gpu(uses_gpu, seconds):
    record = make_record(make_run(), make_outcome(uses_gpu=uses_gpu))
    assert record.gpu_seconds == seconds


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "12"}, "12"),
        ({"SLURM_JOB_ID": "13", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "2"}, "12_2"),
    ],
)
def test_a_record_names_its_node_and_its_job(variables, job, monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    record = make_record(make_run(), make_outcome())
    assert (record.node, record.job) == (platform.node(), job)


@pytest.mark.parametrize(
    ("overrides", "seeds"),
    [
        (["seed=3"], (3, 3, 3)),
        (["seed=5", "seed_init=0", "seed_data=0"], (0, 0, 0)),
        (["seed=5", "seed_init=1", "seed_data=2"], (5, 1, 2)),
    ],
)
def test_a_record_holds_both_seeds(overrides, seeds):
    record = make_record(make_run("runs", *overrides), make_outcome())
    assert (record.seed, record.seed_init, record.seed_data) == seeds


def test_a_record_describes_the_run_that_it_started_from(tmp_path):
    start = make_run(tmp_path, "task=mnli")
    before = store_run_record(start)
    run = make_run(tmp_path, "method=intermediate", start=start)
    assert make_record(run, make_outcome()).start == {
        "task": "mnli",
        "config_id": before.config_id,
        "seed": 0,
        "val_best": before.val_best,
        "seconds": 3.0,
    }


def test_predictions_are_counted_for_every_class():
    counts = count_predictions(TASKS["rte"], predict((3, 0), (3, 0)))
    assert counts == {"entailment": 3, "not_entailment": 0}


def test_predictions_of_a_regression_are_described_by_their_shape():
    shape = count_predictions(TASKS["stsb"], grade([1.0, 3.0], [0.0, 1.0]))
    assert shape == pytest.approx({"mean": 2.0, "std": 2**0.5, "min": 1.0, "max": 3.0})


def test_the_halves_are_joined_in_order():
    one, two = (Predictions(torch.tensor([[x]]), torch.tensor([x])) for x in (1.0, 2.0))
    assert concatenate(one, two).labels.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("score", "number"), [(math.nan, 0.0), (0.0, 0.0), (0.5, 0.5)])
def test_a_nan_counts_as_zero(score, number):
    assert nan_to_zero(score) == number


def test_the_peak_memory_of_a_cpu_is_that_of_the_process():
    assert 1e7 < peak_memory(CPU) < 1e12  # bytes, not KiB


def test_a_processor_without_a_model_name_has_some_name(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_: "processor: 0\n")
    assert device_name(CPU)


@pytest.mark.parametrize(
    ("seeds", "stored"), [((), None), ([Seeds(0, 0), Seeds(1, 2)], [[0, 0], [1, 2]])]
)
def test_a_record_has_the_seeds_that_pruning_selected_from(seeds, stored):
    assert make_record(make_run(), make_outcome(), pruned_from=seeds).pruned_from == stored
