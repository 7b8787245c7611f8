"""Grids of real worker processes that train: killed, shared, and out of memory or disk."""

import io
import json
import multiprocessing
import os
import re
import signal
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.grid import launchers
from stablebert.grid.executor import GridError, run_grid
from stablebert.runs import claims
from stablebert.runs.claims import is_claimed
from stablebert.runs.early_score import read_early_score
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.runs.run import Job
from tests.helpers.cage import Cage, work_in_cage
from tests.helpers.processes import start_grid, started_runs, wait_for, workers_of
from tests.helpers.runs import (
    SEEDS,
    check_is_complete,
    history_of,
    join_arguments,
    names_in,
    record_of,
    runs_of,
)
from tests.helpers.terminal import run_on_terminal
from tests.helpers.tiny import write_tiny_task
from tests.helpers.warm_processes import warm_workers
from tests.helpers.worker_targets import die

pytestmark = pytest.mark.slow


# ---------------------------------------------------------------- what workers do


@pytest.fixture(scope="module")
def half_crashed(run_defaults, tmp_path_factory):
    """Outcome and lines of a grid of two runs, the first of which cannot be trained."""
    folder = tmp_path_factory.mktemp("crash")
    defaults = {**run_defaults, "task": "rte", "paths.runs": folder, "trainer.max_steps": "2"}
    runs = [
        locate(compose(join_arguments(defaults, [f"trainable.patterns={patterns}"])))
        for patterns in ("missing", "[]")
    ]
    lines = []
    with warm_workers():
        outcome = run_grid([Job(run) for run in runs], workers=1, say=lines.append)
    return runs, outcome, lines


def test_the_crash_of_a_run_is_reported_to_the_parent(half_crashed):
    (bad, _), _, lines = half_crashed
    assert lines[0].startswith(f"[1/2] {bad.name}: crashed: ValueError: trainable.patterns")


def test_a_run_that_crashes_in_its_worker_leaves_a_crash_record(half_crashed):
    (bad, _), outcome, _ = half_crashed
    assert outcome.crashed == [Job(bad)]
    assert json.loads((bad.folder / "crash.json").read_text())["error"] == "ValueError"


def test_a_run_after_a_crash_is_trained_by_a_new_worker(half_crashed):
    (_, good), outcome, _ = half_crashed
    assert outcome.finished == 1
    check_is_complete([good])


def test_a_terminal_shows_a_bar_per_worker_and_one_for_all_runs(sweep_arguments):
    arguments = sweep_arguments("seed=0", "task=rte")
    status, output = run_on_terminal("grid", *arguments, "--workers", "2")
    assert status == 0, output
    for number in (0, 1):
        assert re.search(rf"worker {number}: rte (standard|reinit) 3epochs", output)
    assert re.search(r"all runs .* 2/2 +left 0:00:00", output)


@pytest.fixture(scope="module")
def pruned(run_defaults, tmp_path_factory):
    """Runs and output of three seeds, of which the best is finished after 8 of 20 steps."""
    folder = tmp_path_factory.mktemp("pruned")
    (folder / "seeds.yaml").write_text(SEEDS)
    more = {"task": "rte", "paths.runs": folder / "runs", "optimizer.lr": "1e-2"}
    steps = {"trainer.max_steps": "20", "trainer.evaluations": "5", "trainer.threads": "1"}
    defaults = {**run_defaults, **more, **steps}
    arguments = [str(folder / "seeds.yaml"), *join_arguments(defaults, [])]
    output = io.StringIO()
    with redirect_stdout(output), warm_workers():
        assert main(["grid", *arguments, "--workers", "1", "--prune", "0.45/1"]) == 0
    return runs_of(arguments), output.getvalue()


def test_pruning_counts_the_steps_that_workers_took(pruned):
    # 3 x 8 and 1 x 20
    assert "3 seeds started, 1 finished; 44 of 60 steps (27% saved" in pruned[1]


def test_pruning_finishes_the_seed_with_the_best_early_score(pruned):
    runs, _ = pruned
    scores = {run.cfg.seed: read_early_score(run, 0.45).val_score for run in runs}
    finished = [run.cfg.seed for run in runs if read_record(run.folder)]
    assert finished == [min(scores, key=lambda seed: (-scores[seed], seed))]


def test_a_finished_seed_validates_as_it_did_early(pruned):
    (run,) = [run for run in pruned[0] if read_record(run.folder)]
    early = read_early_score(run, 0.45)
    (line,) = [line for line in history_of(run.folder) if line["step"] == early.step == 8]
    assert line["val/score"] == pytest.approx(early.val_score, abs=1e-6)


def test_workers_train_the_start_of_runs_and_keep_its_encoder(run_arguments, tmp_path):
    write_tiny_task(tmp_path / "glue", "mnli", train_rows=1500)
    write_tiny_task(tmp_path / "glue", "rte", train_rows=100)
    arguments = run_arguments(
        "method=intermediate", f"data.source={tmp_path / 'glue'}", "trainer.max_steps=2"
    )
    run = locate(compose(arguments))
    with warm_workers():
        assert run_grid([Job(run)], workers=1, say=lambda line: None).finished == 2
    assert Job(run).prerequisite.is_done
    assert record_of(arguments).start["config_id"] == run.start.config_id


# ---------------------------------------------------------------- killed


def test_a_run_whose_worker_is_killed_twice_has_crashed(sweep_arguments, monkeypatch):
    monkeypatch.setattr(launchers, "work", die)
    (run,) = runs_of(sweep_arguments("task=rte", "method=standard", "seed=0"))
    outcome = run_grid([Job(run)], workers=1, say=lambda line: None)
    assert outcome.crashed == [Job(run)]
    message = json.loads((run.folder / "crash.json").read_text())["message"]
    assert message.startswith("its worker died twice (SIGKILL); see ")


def test_a_worker_that_is_killed_is_replaced_and_its_run_finished(sweep_arguments):
    (run,) = runs_of(sweep_arguments("task=rte", "method=standard", "seed=0",
                                     "trainer.max_steps=150"))  # fmt: skip

    def kill_worker():
        wait_for(lambda: started_runs(run.folder))
        (process,) = multiprocessing.active_children()
        process.kill()

    killer = threading.Thread(target=kill_worker)
    killer.start()
    lines = []
    with warm_workers():
        outcome = run_grid([Job(run)], workers=1, say=lines.append)
    killer.join()
    assert lines[0] == f"worker 0 died (SIGKILL); retrying {run.name} once"
    assert outcome.finished == 1
    check_is_complete([run])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGUSR1, 138)])
def test_a_signal_to_all_processes_stops_cleanly(sweep_arguments, number, status):
    """Ctrl-C reaches the whole process group, and so do the signals of some schedulers."""
    arguments = sweep_arguments("trainer.max_steps=2000", "seed=0")
    runs = runs_of(arguments)
    child = start_grid(arguments, "--workers", "1")
    wait_for(lambda: started_runs(Path(runs[0].cfg.paths.runs)))
    os.killpg(child.pid, number)
    _, error = child.communicate()
    assert child.returncode == status, error
    assert "rerun the command to resume" in error
    assert "Traceback" not in error
    assert not any((run.folder / "crash.json").exists() for run in runs)
    assert not any(is_claimed(run.folder) for run in runs)


def test_runs_of_a_killed_parent_are_missing_and_not_crashed(sweep_arguments):
    """The OOM killer or a scheduler may end the parent alone; its workers must not blame runs."""
    arguments = sweep_arguments("trainer.max_steps=2000", "task=rte", "method=standard")
    runs = runs_of(arguments)
    child = start_grid(arguments, "--workers", "1")
    wait_for(lambda: started_runs(Path(runs[0].cfg.paths.runs)))
    workers = workers_of(child.pid)
    child.kill()
    child.communicate()
    wait_for(lambda: not any(claims._start_time(pid) for pid in workers))
    for run in runs:
        assert not run.folder.exists() or not names_in(run.folder) & {"crash.json", "result.json"}
        assert not is_claimed(run.folder)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(["method=standard"], id="4 runs"),
        pytest.param(["seed=0..7"], id="32 runs", marks=pytest.mark.stress),
    ],
)
def test_two_grids_at_once_share_the_runs(sweep_arguments, overrides):
    arguments = sweep_arguments(*overrides)
    both = [start_grid(arguments, "--workers", "1") for _ in range(2)]
    outputs = [child.communicate() for child in both]
    assert [child.returncode for child in both] == [0, 0], outputs
    check_is_complete(runs_of(arguments))
    # each run was executed by one of them; the other found it elsewhere or never asked for it
    executed = [set(re.findall(r"\] (.*): .*, \d+ s\)", output)) for output, _ in outputs]
    assert len(executed[0] | executed[1]) == len(runs_of(arguments))
    assert not executed[0] & executed[1]


# ---------------------------------------------------------------- out of memory or disk


@pytest.fixture
def cage(monkeypatch):
    """Memory cgroup in which workers start; 100 MiB, and importing torch alone takes 300."""
    try:
        cage = Cage()
    except (OSError, ValueError, KeyError) as error:
        pytest.skip(f"this machine does not let the tests make a memory cgroup: {error!r}")
    monkeypatch.setenv("STABLEBERT_TEST_CAGE", str(cage.folder))
    monkeypatch.setattr(launchers, "work", work_in_cage)
    cage.limit(100 << 20)
    yield cage
    cage.folder.rmdir()


@pytest.fixture
def caged(sweep_arguments):
    """Run for a worker with little memory."""
    (run,) = runs_of(sweep_arguments("task=rte", "method=standard", "seed=0"))
    return run


def test_a_run_whose_worker_the_oom_killer_ends_finishes_when_memory_is_back(caged, cage):
    def say(line):
        if "retrying" in line:  # said before the next worker starts
            cage.limit(8 << 30)

    outcome = run_grid([Job(caged)], workers=1, say=say)
    assert cage.kills == 1
    assert (outcome.finished, outcome.crashed) == (1, [])
    check_is_complete([caged])


def test_a_full_disk_stops_the_grid_and_damages_nothing(sweep_arguments, mount):
    disk = mount("size=64k")
    runs = runs_of(sweep_arguments(f"paths.runs={disk}", "seed=0..9"))
    with pytest.raises(GridError, match=r"No space left on device: '.*'; every other run"):
        run_grid([Job(run) for run in runs], workers=1, say=lambda line: None)
    assert not list(disk.rglob("crash.json"))
    finished = [run for run in runs if (run.folder / "result.json").exists()]
    assert len(finished) < 40
    assert all(read_record(run.folder) for run in finished)


def check_stops_without_a_traceback(arguments, message):
    """Check that the command stops at the first run, and reports the fault of the folder."""
    child = start_grid(arguments, "--workers", "1")
    output, error = child.communicate()
    assert child.returncode == 1, (output, error)
    assert message in error
    assert "every other run would fail too" in error
    assert "Traceback" not in error


def test_a_read_only_folder_stops_the_command(sweep_arguments, mount):
    arguments = sweep_arguments(f"paths.runs={mount('ro')}")
    check_stops_without_a_traceback(arguments, "Read-only file system")


def test_a_runs_folder_that_is_a_file_stops_the_command(sweep_arguments, tmp_path):
    (tmp_path / "file").touch()
    arguments = sweep_arguments(f"paths.runs={tmp_path / 'file'}")
    check_stops_without_a_traceback(arguments, str(tmp_path / "file"))


@pytest.mark.stress
def test_a_worker_does_not_grow(sweep_arguments):
    """Less than 1 MiB per run over runs 50 to 200."""
    runs = ("task=rte", "method=standard", "seed=0..199", "trainer.max_steps=2")
    child = start_grid(sweep_arguments(*runs), "--workers", "1")
    sizes = []
    for line in child.stdout:
        if re.match(r"\[\d+/200\]", line):
            for pid in workers_of(child.pid):  # none if the last line is read late
                status = Path(f"/proc/{pid}/status").read_text()
                sizes.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
    assert child.wait() == 0
    assert len(sizes) > 190
    print(f"MiB after 50 runs {sizes[49]:.0f}, after {len(sizes)} {sizes[-1]:.0f}")
    assert sizes[-1] - sizes[49] < len(sizes) - 50
