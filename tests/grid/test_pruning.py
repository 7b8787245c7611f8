"""Seed pruning: which seeds are finished, and how many steps that saves."""

import re

import pytest

from stablebert.errors import ConfigError
from stablebert.grid import executor
from stablebert.grid.pruning import Pruning, group_by_cell, run_pruned_grid
from stablebert.runs.early_score import EarlyScore, write_early_score
from stablebert.runs.run import early_score_file
from stablebert.runs.seeds import Seeds
from tests.helpers.runs import make_run, make_run_record, store_run_record
from tests.helpers.scripted_workers import ScriptedWorkers, finish

PRUNING = Pruning(0.25, 2)


@pytest.mark.parametrize(("text", "pruning"), [("0.25/5", (0.25, 5)), ("0.5/1", (0.5, 1))])
def test_the_option_is_a_fraction_and_a_number(text, pruning):
    assert Pruning.parse(text) == Pruning(*pruning)


@pytest.mark.parametrize(
    "text", ["0.3", "1/3", "0/3", "0.5/0", "a/b", "0.5/1.5", "-0.5/2", "", "0.5/٣", "0.5/1_0"]
)
def test_an_invalid_option_is_refused(text):
    with pytest.raises(ConfigError, match=re.escape(f"--prune {text}: expected F/K")):
        Pruning.parse(text)


@pytest.fixture
def seeds(tmp_path):
    """Function that makes the seeds of a cell with early scores; None stands for a crash."""

    def make(*scores, task="rte"):
        runs = [make_run(tmp_path, f"task={task}", f"seed={i}") for i in range(len(scores))]
        for run, score in zip(runs, scores, strict=True):
            run.folder.mkdir(parents=True)
            if score is not None:
                write_early_score(run, PRUNING.fraction, EarlyScore(5, 20, score, 1.0))
        return runs

    return make


def survivors(runs, finished=()):
    records = {run.key: make_run_record(run) for run in finished}
    return [run.cfg.seed for run in PRUNING.survivors(runs, records)]


def test_the_best_seeds_survive(seeds):
    assert survivors(seeds(0.5, 0.7, 0.4, 0.6)) == [1, 3]


def test_of_equal_scores_the_earlier_run_survives(seeds):
    assert survivors(seeds(0.5, 0.7, 0.7, 0.7)) == [1, 2]


def test_every_cell_has_its_own_survivors(seeds):
    runs = [*seeds(0.9, 0.8, 0.7), *seeds(0.1, 0.3, 0.2, task="cola")]
    assert survivors(runs) == [0, 1, 1, 2]


def test_a_crashed_seed_does_not_survive(seeds):
    assert survivors(seeds(None, 0.1, None)) == [1]


def test_a_finished_seed_takes_a_place(seeds):
    runs = seeds(0.5, 0.7, 0.4, 0.6)
    assert survivors(runs, finished=[runs[2]]) == [1]


def test_no_seed_survives_if_enough_are_finished(seeds):
    runs = seeds(0.5, 0.7, 0.4, 0.6)
    assert survivors(runs, finished=runs[:2]) == []


def test_savings_count_the_steps_of_both_passes(seeds):
    runs = seeds(*[0.5] * 10)
    finished = {run.key: make_run_record(run, steps=20) for run in runs[:4]}
    # 10 x 5 early steps and 4 x 20, instead of 10 x 20
    line = PRUNING.describe_savings(runs, finished)
    assert "10 seeds started, 4 finished; 130 of 200 steps (35% saved" in line


def test_savings_of_nothing_are_zero():
    assert "0 of 0 steps (0% saved" in PRUNING.describe_savings([], {})


def test_cells_keep_the_order_of_their_runs():
    runs = [make_run("runs", f"task={t}", f"seed={s}") for s in (1, 0) for t in ("rte", "cola")]
    cells = group_by_cell(runs)
    assert [[run.cfg.seed for run in cell] for cell in cells.values()] == [[1, 0], [1, 0]]


@pytest.fixture
def workers(monkeypatch):
    """Workers that validate seed i with a score of i tenths, and finish any run."""
    workers = ScriptedWorkers(finish)
    monkeypatch.setattr(executor, "start_worker", workers.start)
    return workers


def run_pruned(runs, records=(), done=()):
    lines = []
    outcome = run_pruned_grid(
        runs, PRUNING, records, done=done, timing_records=(), workers=2, say=lines.append
    )
    return outcome, lines


def test_all_seeds_are_validated_before_the_best_are_finished(workers, tmp_path):
    """Dodge et al. (2020), Section 5."""
    runs = [make_run(tmp_path, f"seed={seed}") for seed in range(5)]
    outcome, lines = run_pruned(runs)
    kinds = [(job.stop_after, job.run.cfg.seed) for job in workers.jobs]
    assert sorted(kinds[:5]) == [(0.25, seed) for seed in range(5)]
    assert sorted(kinds[5:], key=lambda kind: kind[1]) == [(None, 3), (None, 4)]
    assert outcome.finished == 2
    assert "finishing 2 of 5 seeds" in lines


def test_survivors_know_all_seeds_that_they_were_selected_from(workers, tmp_path):
    """Reports do not judge a cell whose runs were selected by their scores."""
    runs = [make_run(tmp_path, f"seed={seed}") for seed in range(4)]
    finished = make_run(tmp_path, "seed=9")
    run_pruned(runs, [make_run_record(finished)], done=[finished])
    started = {job.pruned_from for job in workers.jobs if job.stop_after is None}
    assert started == {tuple(run.seeds for run in [finished, *runs])}


def test_finished_seeds_without_the_weights_to_keep_are_trained_again(workers, tmp_path):
    runs = [make_run(tmp_path, f"seed={i}", "trainer.keep_weights=true") for i in range(5)]
    record = store_run_record(runs[0])
    committed = make_run_record(runs[1], pruned_from=[[1, 1], [9, 9]])
    store_run_record(runs[2])  # since the records were read
    _, lines = run_pruned(runs, [record, committed])
    assert {job.run.cfg.seed for job in workers.jobs if job.stop_after} == {3, 4}
    finished = {job.run.cfg.seed: job.pruned_from for job in workers.jobs if not job.stop_after}
    # which takes all places of the others
    assert finished == {0: (), 1: (Seeds(1, 1), Seeds(9, 9)), 2: ()}
    assert "finishing 3 of 5 seeds" in lines


def test_a_damaged_score_is_named_and_the_run_validated_again(workers, tmp_path):
    runs = [make_run(tmp_path, f"seed={seed}") for seed in range(3)]
    run_pruned(runs)
    file = early_score_file(runs[0], 0.25)
    file.write_text(file.read_text().replace('"step": 5', '"step": 6'))
    workers.jobs.clear()
    _, lines = run_pruned(runs)
    assert [job.run for job in workers.jobs if job.stop_after] == [runs[0]]
    assert lines[0].startswith(f"deleted a damaged early score: {file}: changed after")


def test_a_validated_seed_is_not_validated_again(workers, tmp_path):
    runs = [make_run(tmp_path, f"seed={seed}") for seed in range(3)]
    run_pruned(runs)
    workers.jobs.clear()
    run_pruned(runs[:1], [make_run_record(run) for run in runs[1:]], done=runs[1:])
    assert workers.jobs == []
