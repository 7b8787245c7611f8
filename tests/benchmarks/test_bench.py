"""The program that measures the contestants, with its command line."""

import pytest
import torch

from benchmarks import bench

pytest.importorskip("accelerate")


@pytest.fixture(scope="session")
def step_results(run_bench, tmp_path_factory):
    """Results and page of two blocks of two steps of every contestant."""
    blocks = ["--blocks", "2", "--steps", "2", "--warmup", "1"]
    return run_bench(tmp_path_factory.mktemp("steps"), "steps", "--tasks", "rte", *blocks)


@pytest.fixture(scope="session")
def run_results(run_bench, tmp_path_factory):
    """Results and page of whole runs of two contestants, each measured by its own command."""
    out = tmp_path_factory.mktemp("runs")
    short = ["--set", "trainer.max_steps=2", "trainer.evaluations=1"]
    for name in ("hf_tuned", "ours"):
        results = run_bench(out, "runs", "--tasks", "rte", "--contestants", name, *short)
    return results


@pytest.mark.slow
def test_steps_of_every_contestant_are_measured(step_results):
    contestants = {*bench.KINDS, "hf_tuned_mixed", "ours_mixed"}
    if torch.cuda.is_available():
        contestants |= set(bench.MIXED)
    assert set(step_results[0]["tasks"]["rte"]["contestants"]) == contestants


@pytest.mark.slow
def test_every_block_of_steps_is_timed(step_results):
    rows = step_results[0]["tasks"]["rte"]["contestants"].values()
    assert all(len(row["seconds_per_step"]) == 2 for row in rows)
    assert min(min(row["seconds_per_step"]) for row in rows) > 0


@pytest.mark.slow
def test_peak_memory_of_every_contestant_is_recorded(step_results):
    rows = step_results[0]["tasks"]["rte"]["contestants"].values()
    assert all(row["peak_memory_bytes"] > 1e6 for row in rows)


@pytest.mark.slow
def test_matrix_product_rate_is_measured_once_per_round(step_results):
    assert len(step_results[0]["tasks"]["rte"]["rates"]) == 2


@pytest.mark.slow
def test_padding_adds_tokens_to_the_batches(step_results):
    batches = step_results[0]["tasks"]["rte"]["batches"]
    assert batches["real_tokens"] < batches["padded_to_longest"] < batches["padded_to_max"]
    assert batches["padded_to_max"] == 32 * 128


@pytest.mark.slow
def test_results_record_threads_and_versions(step_results):
    results, _ = step_results
    assert results["machine"]["threads"] == 1
    assert results["tasks"]["rte"]["versions"]["accelerate"]


@pytest.mark.slow
def test_finished_measurement_is_complete(step_results):
    assert step_results[0]["tasks"]["rte"]["complete"]


@pytest.mark.slow
def test_page_shows_every_contestant_and_the_command(step_results):
    results, page = step_results
    part = results["tasks"]["rte"]
    assert all(f"| rte | {name} |" in page for name in part["contestants"])
    assert part["command"] in page


@pytest.mark.slow
def test_whole_runs_of_separate_commands_are_merged(run_results):
    rows = run_results[0]["tasks"]["rte"]["contestants"]
    assert set(rows) == {"hf_tuned", "ours"}
    assert all(row["seconds"] > 0 for row in rows.values())


@pytest.mark.slow
def test_page_shows_whole_runs(run_results):
    assert "| rte (accuracy) | ours |" in run_results[1]


def test_incomplete_results_do_not_replace_those_of_more_rounds():
    old = {"rates": [{}] * 5, "complete": True}
    assert not bench.should_replace({"rates": [{}], "complete": False}, old)


def test_complete_results_replace_those_of_more_rounds():
    old = {"rates": [{}] * 5, "complete": True}
    assert bench.should_replace({"rates": [{}] * 2, "complete": True}, old)


def test_incomplete_results_are_written_where_there_are_none():
    assert bench.should_replace({"rates": [{}], "complete": False}, {})


def test_unknown_contestants_are_reported_with_the_allowed_ones(capsys):
    with pytest.raises(SystemExit):
        bench.parse_arguments(["--contestants", "ours,theirs"])
    assert "theirs; allowed: released, hf_default" in capsys.readouterr().err
