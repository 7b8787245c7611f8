"""Grids of tiny runs through the command line: planned, executed, resumed, killed, shared."""

import json
import math
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.sweep import read_sweep
from stablebert.errors import ConfigError
from stablebert.grid import executor as grid
from stablebert.grid import launchers, worker
from stablebert.grid.clock import Clock
from stablebert.grid.plan import make_plan, select_shard
from stablebert.report.records import read_records
from stablebert.runs import claims
from stablebert.runs.claims import is_claimed
from stablebert.runs.early_score import read_early_score
from stablebert.runs.identities import Identities
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from stablebert.runs.run import Job

SWEEP = """
program: stablebert
method: grid
command: ["${env}", "${interpreter}", "-m", "stablebert", "train", "${args_no_hyphens}"]
parameters:
  task: {values: [rte, cola]}
  method: {values: [standard, reinit]}
  seed: {values: [0, 1]}
  trainer.max_steps: {value: 4}
  trainer.evaluations: {value: 2}
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def words(tiny_bert, tiny_glue, cache, tmp_path):
    """A sweep of eight tiny runs as typed; `words("seed=0..2")` narrows or changes it."""
    (tmp_path / "tiny.yaml").write_text(SWEEP)

    def words(*more):
        typed = {
            "scale": "mini",
            "data.source": str(tiny_glue),
            "model.name": str(tiny_bert),
            "paths.runs": str(tmp_path / "runs"),
            "paths.cache": str(cache),
            **dict(word.split("=", 1) for word in more),
        }
        return [str(tmp_path / "tiny.yaml"), *(f"{key}={text}" for key, text in typed.items())]

    return words


def runs_of(words):
    path, *overrides = words
    return [locate(cfg) for cfg in read_sweep(path).narrow(overrides).configs()]


def records_of(words):
    return [read_record(run.folder) for run in runs_of(words)]


def whole(words):
    """Every run has exactly one whole record, and nothing else lies about."""
    for run in runs_of(words):
        files = {f.name for f in run.folder.iterdir()}
        if not is_claimed(run.folder):
            files -= {"claim.json"}  # its holder was killed between the record and its release
        assert files == {"config.yaml", "history.jsonl", "result.json"}, run.folder
        record = read_record(run.folder)
        assert (record.task, record.method) == (run.cfg.task, run.cfg.method)
        lines = (run.folder / "history.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["step"] == record.steps


def start(words, *flags, **env):
    command = [sys.executable, "-m", "stablebert", "grid", *words, *flags]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | env,
        start_new_session=True,
    )


def test_a_grid_is_planned_executed_and_done(words, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "stablebert.cli.arguments.RESULTS", tmp_path / "none"
    )  # whose runs tell times
    assert main(["grid", *words(), "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "tiny: 8 runs, 0 done, 8 missing, 0 crashed" in planned
    assert "unknown until a run has finished" in planned
    assert not Path(runs_of(words())[0].cfg.paths.runs).exists()
    assert main(["grid", *words(), "--dry-run", "--shard", "3/3"]) == 0
    assert "2 runs, " in capsys.readouterr().out

    assert main(["grid", *words(), "--workers", "2"]) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^\[\d/8\] .* \(\w+, \d+ s\); left ", shown, re.MULTILINE)) == 8
    whole(words())

    assert main(["grid", *words("seed=0..2"), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "12 runs, 8 done, 4 missing" in shown
    assert re.search(r"estimated time \d:\d\d:\d\d", shown)
    assert main(["grid", *words()]) == 0
    assert "0 to run" in capsys.readouterr().out


def test_on_a_terminal_each_worker_has_a_line_and_the_whole_one(words):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "stablebert", "grid", *words("seed=0"), "--workers", "2"]
    wide = os.environ | {"COLUMNS": "200", "TERM": "xterm"}
    child = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=wide)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # Linux says so when the other end is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert child.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    for number in (0, 1):
        assert re.search(rf"worker {number}: (rte|cola) (standard|reinit) 3epochs", text)
    assert re.search(r"all runs .* 4/4 left 0:00:00", text)


def test_a_warm_worker_s_run_is_bit_equal_to_one_of_its_own_process(words, tmp_path):
    assert main(["grid", *words(), "--workers", "1"]) == 0
    for run in runs_of(words())[-2:]:  # the last of a warm worker
        typed = [word for word in words()[1:] if not word.startswith("paths.runs")]
        typed += [f"task={run.cfg.task}", f"method={run.cfg.method}", f"seed={run.cfg.seed}"]
        typed += ["trainer.max_steps=4", "trainer.evaluations=2", f"paths.runs={tmp_path / 'own'}"]
        # a worker has as many threads as there are cores
        command = [sys.executable, "-m", "stablebert", "train", *typed]
        threads = {"OMP_NUM_THREADS": str(os.cpu_count())}
        subprocess.run(command, check=True, env=os.environ | threads, capture_output=True)
        own = locate(compose(typed)).folder
        assert own.parent.name == run.config_id
        assert (own / "history.jsonl").read_text() == (run.folder / "history.jsonl").read_text()
        warm, cold = read_record(run.folder), read_record(own)
        assert (warm.threads, warm.test_at_best) == (cold.threads, cold.test_at_best)


def test_runs_go_seed_by_seed_through_all_cells(words):
    seeds = [run.cfg.seed for run in runs_of(words("seed=2,0,1"))]
    assert seeds == sorted(seeds)
    cells = [(run.cfg.task, run.cfg.method) for run in runs_of(words())]
    assert cells[:4] == cells[4:]
    assert len(set(cells)) == 4


def test_a_run_that_raises_is_recorded_and_the_grid_goes_on(words, capsys):
    """Trap 13: rows of 128 tokens do not fit a model of 64, and cola's run must not suffer."""
    bad = words("task=rte", "method=standard", "data.max_length=129")
    assert main(["grid", *bad, "--workers", "1"]) == 1
    out, err = capsys.readouterr()
    assert out.count("crashed: ValueError: data.max_length=129") == 2
    assert err.count("crash.json") == 2
    (crash, _) = [json.loads((run.folder / "crash.json").read_text()) for run in runs_of(bad)]
    assert crash["error"] == "ValueError"
    assert main(["grid", *bad]) == 0
    assert "0 missing, 2 crashed (--retry-crashed runs them)" in capsys.readouterr().out
    assert main(["grid", *bad, "--retry-crashed"]) == 1


def test_a_damaged_record_is_named_and_not_done(words, capsys):
    one = words("task=rte", "method=standard", "seed=0")
    assert main(["grid", *one]) == 0
    (run,) = runs_of(one)
    (run.folder / "result.json").write_text('{"task": "rt')
    assert main(["grid", *one]) == 0
    out, err = capsys.readouterr()
    assert "0 done, 0 missing, 1 crashed" in out
    assert f"skipped: {run.folder / 'result.json'}" in err
    assert main(["grid", *one, "--retry-crashed"]) == 0
    assert read_record(run.folder).steps == 4
    assert (run.folder / "result.json.before").exists()


def children(pid):
    """Worker processes of a grid (and not multiprocessing's own helper)."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    files = {int(p): Path(f"/proc/{p}/cmdline") for p in listed.split()}
    return [p for p, file in files.items() if file.exists() and b"spawn_main" in file.read_bytes()]


def wait_for(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def test_a_worker_that_dies_is_replaced_and_its_run_tried_once_more(words):
    long = words("task=rte", "method=standard", "seed=0", "trainer.max_steps=3000")
    (run,) = runs_of(long)
    child = start(long, "--workers", "1")
    seen = set()

    def started():
        """History files that were not there before, with a line in them."""
        parts = set(run.folder.glob("history.jsonl.*.part")) - seen
        return {part for part in parts if part.stat().st_size}

    for _ in range(2):
        seen |= wait_for(started, "the run to start")
        for pid in children(child.pid):
            os.kill(pid, signal.SIGKILL)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 1, err
    assert "worker 0 died (SIGKILL)" in out
    assert "retrying rte standard" in out
    crash = json.loads((run.folder / "crash.json").read_text())
    assert "its worker died twice (SIGKILL)" in crash["message"]
    assert "worker0.log" in crash["message"]


# files of a memory cgroup by version: its limit, its count of kills, what keeps it from swapping
CGROUP = {
    "cgroup": ("memory.limit_in_bytes", "memory.oom_control", "memory.swappiness"),
    "cgroup2": ("memory.max", "memory.events", "memory.swap.max"),
}


class Cage:
    """A memory cgroup below that of this process."""

    def __init__(self):
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
        own = {kind: path for _, kinds, path in lines for kind in kinds.split(",")}
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        kinds = {"cgroup": "memory", "cgroup2": ""}
        (version, root), *_ = sorted(
            (version, Path(root + own[kinds[version]]))
            for _, root, version, options, *_ in mounts
            if version == "cgroup2" or (version == "cgroup" and "memory" in options.split(","))
        )
        self._limit, self._events, swap = CGROUP[version]
        self.folder = root / f"stablebert-{os.getpid()}"
        if version == "cgroup2":
            (root / "cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()
        with suppress(OSError):  # a kernel without swap has no such file
            (self.folder / swap).write_text("0")

    def limit(self, size):
        (self.folder / self._limit).write_text(str(size))

    @property
    def kills(self):
        return int(re.search(r"oom_kill (\d+)", (self.folder / self._events).read_text())[1])


@pytest.fixture
def cage(monkeypatch):
    try:
        made = Cage()
    except (OSError, ValueError, KeyError) as error:
        pytest.skip(f"this machine does not let the tests make a memory cgroup: {error!r}")
    monkeypatch.setenv("STABLEBERT_TEST_CAGE", str(made.folder))
    yield made
    made.folder.rmdir()


def _work_caged(pipe, number, threads):
    (Path(os.environ["STABLEBERT_TEST_CAGE"]) / "cgroup.procs").write_text(str(os.getpid()))
    worker.work(pipe, number, threads)


@pytest.mark.parametrize("again", [False, True])
def test_a_worker_killed_by_the_oom_killer_is_replaced(words, cage, monkeypatch, again):
    """The real one: importing torch alone takes 300 MB. Where memory is back, the run finishes."""
    monkeypatch.setattr(launchers, "work", _work_caged)
    cage.limit(100 << 20)
    runs = runs_of(words("task=rte", "method=standard"))
    said = []

    def say(line):
        said.append(line)
        if again and "retrying" in line:  # said before the next worker starts
            cage.limit(8 << 30)

    outcome = grid.run_grid([Job(run) for run in runs], workers=1, say=say)
    if again:
        assert cage.kills == 1
        assert (outcome.finished, outcome.crashed) == (2, [])
        whole(words("task=rte", "method=standard"))
        return
    assert cage.kills == 4
    assert (outcome.finished, [job.run for job in outcome.crashed]) == (0, runs)
    for run in runs:
        message = json.loads((run.folder / "crash.json").read_text())["message"]
        assert "its worker died twice (SIGKILL)" in message
    died = [line for line in said if line.startswith("worker 0 died (SIGKILL); rte standard")]
    assert len(died) == len(runs)


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(words):
    slow = words("trainer.max_steps=150", "seed=0")
    child = start(slow, "--workers", "2")
    done = lambda: [r for r in runs_of(slow) if (r.folder / "result.json").exists()]  # noqa: E731
    wait_for(done, "a first run")
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "rerun the command to resume" in err
    assert "Traceback" not in err
    assert main(["grid", *slow]) == 0
    whole(slow)


def killed_at_random(words, seed):
    """Start a grid, kill the whole of it somewhere, start it again: every run exactly once."""
    rng = random.Random(seed)
    child = subprocess.Popen(
        [sys.executable, "-m", "stablebert", "grid", *words, "--workers", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    folder = Path(runs_of(words)[0].cfg.paths.runs)
    wait_for(lambda: list(folder.rglob("claim.json")), "a first run")
    try:
        child.wait(timeout=rng.uniform(0, 4))
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert main(["grid", *words, "--workers", "2"]) == 0
    whole(words)


@pytest.mark.parametrize("seed", range(3))
def test_killed_and_started_again_every_run_is_there_once(words, seed):
    killed_at_random(words("trainer.max_steps=20"), seed)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(3, 23))
def test_killed_twenty_times(words, seed):
    killed_at_random(words("trainer.max_steps=20"), seed)


def test_two_grids_at_once_share_the_runs(words):
    both = [start(words("seed=0..3"), "--workers", "1") for _ in range(2)]
    outs = [child.communicate(timeout=240) for child in both]
    assert [child.returncode for child in both] == [0, 0], outs
    whole(words("seed=0..3"))
    # each run was executed by one of them, and found elsewhere by the other or not asked for
    executed = [set(re.findall(r"\] (.*): .*, \d+ s\)", out)) for out, _ in outs]
    assert len(executed[0] | executed[1]) == 16
    assert not executed[0] & executed[1]


def test_runs_of_a_killed_parent_are_missing_and_not_crashed(words):
    """The OOM killer or a scheduler may take the parent alone; its workers must not blame runs."""
    slow = words("trainer.max_steps=2000", "task=rte", "method=standard")
    child = start(slow, "--workers", "2")
    folder = Path(runs_of(slow)[0].cfg.paths.runs)
    wait_for(lambda: list(folder.rglob("history.jsonl.*.part")), "a first run")
    workers = children(child.pid)
    child.kill()
    child.communicate()
    wait_for(lambda: not any(claims._started(pid) for pid in workers), "the workers' end")
    assert list(folder.rglob("crash.json")) == []
    assert list(folder.rglob("result.json")) == []
    assert not any(is_claimed(run.folder) for run in runs_of(slow))


def test_shards_are_disjoint_and_complete(words):
    configs = [run.cfg for run in runs_of(words("seed=0..2"))]
    parts = [select_shard(configs, f"{i}/5") for i in range(1, 6)]
    assert sorted(cfg.seed for part in parts for cfg in part) == sorted(c.seed for c in configs)
    assert len({cfg for part in parts for cfg in part}) == 12
    for text in ("0/2", "3/2", "1", "a/b", "1/0"):
        with pytest.raises(ConfigError, match="expected i/n"):
            select_shard(configs, text)


def test_committed_records_count_as_done(words, tmp_path):
    configs = [run.cfg for run in runs_of(words())]
    assert main(["grid", *words("task=cola", "method=reinit", "seed=0"), "--workers", "1"]) == 0
    (record,) = records_of(words("task=cola", "method=reinit", "seed=0"))
    first = next(run for run in runs_of(words()) if run.config_id == record.config_id)
    made = make_plan(configs, [record], Identities([record]))
    assert [run.folder for run in made.done] == [first.folder]
    assert len(made.missing) == 7


def test_committed_records_suffice_without_data_and_model(words, tmp_path, monkeypatch, capsys):
    """A clone that holds results/ reports, and plans, what another machine has run."""
    few = ("task=rte", "method=standard", "seed=0,1")
    assert main(["grid", *words(*few), "--workers", "1"]) == 0
    committed = tmp_path / "results" / "mini" / "tiny.jsonl"
    assert main(["collect", str(committed), str(tmp_path / "runs")]) == 0
    monkeypatch.setattr("stablebert.cli.arguments.RESULTS", tmp_path / "results")
    clone = {"data.source": "/absent", "model.name": "org/absent", "paths.runs": tmp_path / "none"}
    absent = words(*few, *(f"{key}={name}" for key, name in clone.items()))
    capsys.readouterr()

    assert main(["report", *absent, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2 runs: 1 cell, seeds 0..1; 0 missing" in shown
    for part in ("data", "model"):
        assert f"{part} is not available; assuming the content that all records of" in shown
    assert main(["grid", *absent]) == 0
    out, err = capsys.readouterr()
    assert "2 runs, 2 done, 0 missing" in out
    assert "model is not available" in err
    here = words(*few, f"paths.runs={tmp_path / 'none'}")
    assert main(["grid", *here, "--fresh", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "2 runs, 0 done, 2 missing" in out
    assert re.search(r"estimated time \d:\d\d:\d\d", out)  # committed runs tell how long it takes

    more = [word.replace("seed=0,1", "seed=0..2") for word in absent]
    assert main(["grid", *more, "--dry-run"]) == 0
    assert "3 runs, 2 done, 1 missing" in capsys.readouterr().out
    assert main(["grid", *more]) == 1  # to run it takes the data
    assert "'/absent' is not a folder" in capsys.readouterr().err


def test_time_left_comes_from_runs_of_the_same_kind(words):
    assert main(["grid", *words("seed=0"), "--workers", "1"]) == 0
    runs, records = runs_of(words("seed=0")), records_of(words("seed=0"))
    clock = Clock([])
    assert clock.remaining(runs, 2) == "unknown until a run has finished"
    for record in records:
        clock.learn(replace(record, seconds={"train": {"rte": 100.0, "cola": 40.0}[record.task]}))
    tasks = {run.cfg.task: run for run in runs}
    assert clock.estimate(tasks["rte"]) == 100
    assert clock.remaining(runs, 1) == "0:04:40"
    assert clock.remaining(runs, 2) == "0:02:20"
    assert clock.remaining([tasks["cola"]], 8) == "0:00:40"  # one run, one worker
    assert clock.remaining([], 2) == "0:00:00"


@pytest.fixture
def mount(tmp_path):
    """Mounts a tiny file system with the options given, where the machine allows it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine does not let the tests mount a file system")
        return disk

    yield mount
    subprocess.run(["umount", disk], capture_output=True)


def test_a_full_disk_stops_the_grid_and_damages_nothing(words, mount):
    disk = mount("size=64k")
    full = words(f"paths.runs={disk}", "seed=0..9", "monitor.bias_ratio=true")
    child = start(full, "--workers", "1")
    out, err = child.communicate(timeout=240)
    assert child.returncode == 1, (out, err)
    assert "No space left on device" in err
    assert "every other run would fail too" in err
    assert not list(disk.rglob("crash.json"))
    assert "Traceback" not in err
    finished = [r for r in runs_of(full) if (r.folder / "result.json").exists()]
    assert len(finished) < 40
    assert all(read_record(run.folder) for run in finished)


def test_a_read_only_folder_stops_the_grid(words, mount):
    child = start(words(f"paths.runs={mount('ro')}"), "--workers", "1")
    out, err = child.communicate(timeout=120)
    assert child.returncode == 1, (out, err)
    assert "Read-only file system" in err
    assert "every other run would fail too" in err
    assert "Traceback" not in err


def test_a_run_of_nan_is_a_failed_run_and_the_grid_goes_on(words, tiny_bert, tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_bert, tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"].fill_(math.nan)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    nan = words(f"model.name={folder}", "method=standard", "seed=0")
    assert main(["grid", *nan, "--workers", "1"]) == 0
    assert [record.status for record in records_of(nan)] == ["failed", "failed"]
    assert {record.test_at_best for record in records_of(nan)} == {0.0}
    assert capsys.readouterr().out.count("(failed,") == 2


@pytest.mark.stress
def test_a_worker_does_not_grow(words):
    """Over runs 50 to 200, less than 1 MiB a run."""
    many = words("task=rte", "method=standard", "seed=0..199", "trainer.max_steps=2")
    child = start(many, "--workers", "1")
    sizes = []
    for line in child.stdout:
        if re.match(r"\[\d+/200\]", line):
            for worker in children(child.pid):  # none when the last line is read late
                status = Path(f"/proc/{worker}/status").read_text()
                sizes.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
    assert child.wait() == 0
    assert len(sizes) > 190
    print(f"MiB after 50 runs {sizes[49]:.0f}, after {len(sizes)} {sizes[-1]:.0f}")
    assert sizes[-1] - sizes[49] < len(sizes) - 50


def test_a_runs_folder_that_cannot_be_written_is_told(words, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    child = start(words(f"paths.runs={tmp_path / 'file'}"), "--workers", "1")
    out, err = child.communicate(timeout=120)
    assert child.returncode == 1
    assert str(tmp_path / "file") in err
    assert "every other run would fail too" in err
    assert out.count("crashed:") == 0
    assert "Traceback" not in err


def test_bad_words_are_told(words, capsys):
    assert main(["grid", "tabel1"]) == 2
    assert "did you mean table1?" in capsys.readouterr().err
    assert main(["grid", *words("task=rte,colla")]) == 2
    assert "task=colla" in capsys.readouterr().err
    assert main(["grid", *words(), "tsk=rte"]) == 2
    assert "did you mean task?" in capsys.readouterr().err


def test_workers_are_calm_and_share_the_cores(monkeypatch):
    """Trap 27."""
    monkeypatch.setattr(launchers, "work", _tell)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    workers = [launchers.start_worker(i, threads=2, gpus=["0", "1"]) for i in range(3)]
    told = [started.pipe.recv() for started in workers]
    for started in workers:
        started.close()
        started.join()
    assert [t["OMP_WAIT_POLICY"] for t in told] == ["PASSIVE"] * 3
    assert [t["OMP_NUM_THREADS"] for t in told] == ["2"] * 3
    assert [t["CUDA_VISIBLE_DEVICES"] for t in told] == ["0", "1", "0"]
    assert "OMP_WAIT_POLICY" not in os.environ


def _tell(pipe, number, threads):
    pipe.send(dict(os.environ))


def test_report_reads_what_the_grid_made(words, tmp_path, capsys):
    assert main(["grid", *words("seed=0..1"), "--workers", "1"]) == 0
    assert main(["report", *words("seed=0..2"), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "CoLA" in shown
    for ending in ("md", "csv", "tex"):
        assert (tmp_path / "out" / f"tiny.{ending}").stat().st_size
    committed = tmp_path / "committed" / "mini" / "tiny.jsonl"
    assert main(["collect", str(committed), str(tmp_path / "runs")]) == 0
    again, problems = read_records(committed.parents[1])
    assert problems == []
    assert sorted(r.config_id for r in again) == sorted(
        r.config_id for r in records_of(words("seed=0..1"))
    )
    records = tmp_path / "all.csv"
    assert main(["collect", str(records), str(tmp_path / "runs")]) == 0
    assert len(records.read_text().splitlines()) == 9


# ---------------------------------------------------------------- seed pruning


def test_after_a_fraction_the_best_seeds_go_on(words, capsys):
    """Dodge et al., section 5: five seeds looked at after a quarter, two of each cell finished."""
    grid = words("seed=0..4", "method=standard", "trainer.max_steps=20", "optimizer.lr=1e-2")
    grid.append("trainer.evaluations=5")
    assert main(["grid", *grid, "--workers", "2", "--prune", "0.45/2"]) == 0
    out = capsys.readouterr().out
    assert "finishing 4 of 10 seeds" in out
    # 8 of 20 steps: the last validation until 45 %; 10 x 8 and 4 x 20
    assert "10 seeds started, 4 finished; 160 of 200 steps (20% saved" in out
    runs = runs_of(grid)
    for task in ("rte", "cola"):
        peeks = {r.cfg.seed: read_early_score(r, 0.45) for r in runs if r.cfg.task == task}
        assert {(p.step, p.steps) for p in peeks.values()} == {(8, 20)}
        records = {r.cfg.seed: read_record(r.folder) for r in runs if r.cfg.task == task}
        finished = {seed for seed, record in records.items() if record}
        ranked = sorted(peeks, key=lambda seed: (-peeks[seed].val_score, seed))
        assert finished == set(ranked[:2])
        for seed in finished:  # it validated then as it did when it was looked at
            folder = next(r.folder for r in runs if (r.cfg.task, r.cfg.seed) == (task, seed))
            history = map(json.loads, (folder / "history.jsonl").read_text().splitlines())
            (score,) = [h["val/score"] for h in history if h["step"] == 8 and "val/score" in h]
            assert score == pytest.approx(peeks[seed].val_score, abs=1e-6)
    # again: everything has been looked at, and nobody takes the place of the finished ones
    assert main(["grid", *grid, "--prune", "0.45/2"]) == 0
    assert "finishing 0 of 6 seeds" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0.3", "1/3", "0/3", "0.5/0", "a/b"])
def test_a_pruning_that_makes_no_sense_is_refused(words, text, capsys):
    assert main(["grid", *words(), "--prune", text]) == 2
    assert f"--prune {text}: expected F/K" in capsys.readouterr().err
