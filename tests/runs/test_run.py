"""Runs and jobs: identity, and when the output of each kind of job exists."""

import pytest

from stablebert.runs.early_score import EarlyScore, write_early_score
from stablebert.runs.run import Job
from tests.helpers.runs import make_run, store_run_record


def test_the_key_of_a_run_holds_both_seeds():
    run = make_run("runs", "seed=5", "seed_data=6")
    assert run.key == (run.config_id, (5, 6))


def test_runs_that_differ_in_their_seed_share_the_config_id():
    one, two = make_run("runs", "seed=0"), make_run("runs", "seed=1")
    assert one.config_id == two.config_id
    assert one.folder != two.folder


def test_the_name_of_a_run_says_what_is_trained():
    run = make_run("runs", "task=cola", "method=reinit", "length=longer", "seed=3")
    assert run.name == f"cola reinit longer {run.config_id} seed3"


def write_score(run):
    run.folder.mkdir(parents=True, exist_ok=True)
    write_early_score(run, 0.25, EarlyScore(5, 20, 0.6, 1.0))


def save_encoder(run):
    (run.folder / "encoder").mkdir(parents=True)


def store_both(run):
    save_encoder(run)
    store_run_record(run)


PRODUCERS = {"nothing": lambda run: None, "record": store_run_record, "score": write_score,
             "encoder": save_encoder, "both": store_both}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        pytest.param({}, {"record", "both"}, id="train"),
        pytest.param({"keep_encoder": True}, {"both"}, id="train and keep the encoder"),
        # a finished run needs no early validation
        pytest.param({"stop_after": 0.25}, {"score", "record", "both"}, id="validate early"),
        pytest.param({"stop_after": 0.5}, {"record", "both"}, id="validate at another fraction"),
    ],
)
@pytest.mark.parametrize("output", PRODUCERS)
def test_a_job_is_done_when_its_output_exists(tmp_path, options, outputs, output):
    run = make_run(tmp_path)
    PRODUCERS[output](run)
    assert Job(run, **options).is_done == (output in outputs)


@pytest.mark.parametrize(("stop_after", "is_done"), [(None, False), (0.25, True)])
def test_a_job_that_is_to_keep_weights_is_not_done_without_them(tmp_path, stop_after, is_done):
    run = make_run(tmp_path, "trainer.keep_weights=true")
    store_run_record(run)
    assert Job(run, stop_after=stop_after).is_done == is_done
    (run.folder / "weights.safetensors").touch()
    assert Job(run, stop_after=stop_after).is_done


def test_a_run_that_starts_from_the_model_has_no_prerequisite():
    assert Job(make_run()).prerequisite is None


def test_the_prerequisite_trains_the_start_and_keeps_its_encoder():
    start = make_run("runs", "task=mnli")
    job = Job(make_run("runs", "method=intermediate", start=start), stop_after=0.25)
    assert job.prerequisite == Job(start, keep_encoder=True)
