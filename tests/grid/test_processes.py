"""Grids of real worker processes that train: killed, shared, and out of memory or disk."""

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.grid import launchers
from stablebert.grid.executor import GridError, run_grid
from stablebert.runs import claims
from stablebert.runs.claims import is_claimed
from stablebert.runs.record import read_record
from stablebert.runs.run import Job
from tests.helpers.cage import Cage, work_in_cage
from tests.helpers.runs import check_is_complete, names_in, runs_of

pytestmark = pytest.mark.slow


def start_grid(arguments, *flags):
    """Start a grid in its own process group."""
    command = [sys.executable, "-m", "stablebert", "grid", *arguments, *flags]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition):
    """Wait until the condition holds; return its value."""
    while not (value := condition()):
        time.sleep(0.02)
    return value


def started_runs(folder):
    """Return the histories that have a line."""
    return [part for part in folder.rglob("history.jsonl.*.part") if part.stat().st_size]


def workers_of(pid):
    """Return the worker processes of a grid, without multiprocessing's own helper."""
    output = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    files = {int(p): Path(f"/proc/{p}/cmdline") for p in output.split()}
    return [p for p, file in files.items() if file.exists() and b"spawn_main" in file.read_bytes()]


# ---------------------------------------------------------------- killed


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
    outcome = run_grid([Job(run)], workers=1, say=lines.append)
    killer.join()
    assert lines[0] == f"worker 0 died (SIGKILL); retrying {run.name} once"
    assert outcome.finished == 1
    check_is_complete([run])


def test_ctrl_c_stops_cleanly(sweep_arguments):
    arguments = sweep_arguments("trainer.max_steps=2000", "seed=0")
    runs = runs_of(arguments)
    child = start_grid(arguments, "--workers", "1")
    wait_for(lambda: started_runs(Path(runs[0].cfg.paths.runs)))
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, error = child.communicate()
    assert child.returncode == 130, error
    assert "rerun the command to resume" in error
    assert "Traceback" not in error
    assert not any((run.folder / "crash.json").exists() for run in runs)
    assert not any(is_claimed(run.folder) for run in runs)


def check_resumes_after_kill(arguments, seed):
    """Kill a whole grid at a random moment and rerun it: every run is there once."""
    rng = random.Random(seed)
    child = start_grid(arguments, "--workers", "2")
    folder = Path(runs_of(arguments)[0].cfg.paths.runs)
    wait_for(lambda: list(folder.rglob("claim.json")))
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=rng.uniform(0, 4))
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert main(["grid", *arguments, "--workers", "1"]) == 0
    check_is_complete(runs_of(arguments))


def test_a_killed_grid_resumes_with_every_run_once(sweep_arguments):
    check_resumes_after_kill(sweep_arguments("seed=0", "trainer.max_steps=20"), seed=0)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(1, 23))
def test_a_grid_that_is_killed_at_any_moment_resumes(sweep_arguments, seed):
    check_resumes_after_kill(sweep_arguments("trainer.max_steps=20"), seed)


def test_runs_of_a_killed_parent_are_missing_and_not_crashed(sweep_arguments):
    """The OOM killer or a scheduler may end the parent alone; its workers must not blame runs."""
    arguments = sweep_arguments("trainer.max_steps=2000", "task=rte", "method=standard")
    runs = runs_of(arguments)
    child = start_grid(arguments, "--workers", "1")
    wait_for(lambda: started_runs(Path(runs[0].cfg.paths.runs)))
    workers = workers_of(child.pid)
    child.kill()
    child.communicate()
    wait_for(lambda: not any(claims._started(pid) for pid in workers))
    for run in runs:
        assert not run.folder.exists() or not names_in(run.folder) & {"crash.json", "result.json"}
        assert not is_claimed(run.folder)


def test_two_grids_at_once_share_the_runs(sweep_arguments):
    arguments = sweep_arguments("method=standard")
    both = [start_grid(arguments, "--workers", "1") for _ in range(2)]
    outputs = [child.communicate() for child in both]
    assert [child.returncode for child in both] == [0, 0], outputs
    check_is_complete(runs_of(arguments))
    # each run was executed by one of them; the other found it elsewhere or never asked for it
    executed = [set(re.findall(r"\] (.*): .*, \d+ s\)", output)) for output, _ in outputs]
    assert len(executed[0] | executed[1]) == 4
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
    with pytest.raises(GridError, match=r"No space left on device; every other run"):
        run_grid([Job(run) for run in runs], workers=1, say=lambda line: None)
    assert not list(disk.rglob("crash.json"))
    finished = [run for run in runs if (run.folder / "result.json").exists()]
    assert len(finished) < 40
    assert all(read_record(run.folder) for run in finished)


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
