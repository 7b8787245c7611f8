"""Plans: which runs of a sweep are done, missing or crashed; shards; retries."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from stablebert.config.sweep import read_sweep
from stablebert.errors import ConfigError
from stablebert.grid.plan import Plan, clear_crashes, make_plan, select_shard
from stablebert.runs.claims import hold_claim
from stablebert.runs.identities import ContentError
from stablebert.runs.record import read_record
from tests.helpers.runs import SWEEP, make_run, make_run_record, names_in, store_run_record


class Identities:
    """Identifies runs of `make_run` by their configuration."""

    def __init__(self, runs):
        self._runs = {run.cfg: run for run in runs}

    def run(self, cfg):
        return self._runs[cfg]


def refuse(*_):
    raise PermissionError("Operation not permitted")


def plan_of(runs, records=()):
    return make_plan([run.cfg for run in runs], records, Identities(runs))


def test_a_run_without_files_is_missing(run):
    assert plan_of([run]) == Plan(missing=[run])


def test_a_run_with_a_committed_record_is_done(run):
    assert plan_of([run], [make_run_record(run)]) == Plan(done=[run])


def test_a_record_of_another_seed_is_not_the_run_s(tmp_path):
    one, two = (make_run(tmp_path, f"seed={seed}") for seed in (0, 1))
    assert plan_of([one, two], [make_run_record(two)]) == Plan(done=[two], missing=[one])


def test_a_run_with_another_pair_of_seeds_is_another_run(tmp_path):
    one, two = (make_run(tmp_path, f"seed_init={i}", f"seed_data={1 - i}") for i in (0, 1))
    assert plan_of([one, two], [make_run_record(two)]) == Plan(done=[two], missing=[one])


def test_two_spellings_of_the_same_seeds_are_one_run(tmp_path):
    one, two = (make_run(tmp_path, f"seed={i}", "seed_init=0", "seed_data=0") for i in (0, 1))
    assert plan_of([one, two]).total == 1


def test_a_run_that_has_finished_since_the_records_were_read_is_done(run):
    store_run_record(run)
    assert plan_of([run]) == Plan(done=[run])


@pytest.mark.parametrize(
    ("files", "is_done"),
    [((), False), (("result.json",), False), (("result.json", "weights.safetensors"), True)],
)
def test_a_finished_run_whose_weights_are_to_be_kept_is_done_if_it_has_them(
    tmp_path, files, is_done
):
    run = make_run(tmp_path, "trainer.keep_weights=true")
    run.folder.mkdir(parents=True)
    for name in files:
        (run.folder / name).touch()
    plan = plan_of([run], [make_run_record(run)])  # committed, or in the folder
    assert plan == (Plan(done=[run]) if is_done else Plan(missing=[run]))


def test_a_run_that_has_finished_since_without_its_weights_is_missing(tmp_path):
    run = make_run(tmp_path, "trainer.keep_weights=true")
    store_run_record(run)
    assert plan_of([run]) == Plan(missing=[run])


def test_a_run_with_a_crash_record_has_crashed(run):
    (run.folder / "crash.json").write_text("{}")
    assert plan_of([run]) == Plan(crashed=[run])


def test_a_run_with_a_damaged_record_counts_as_crashed(run):
    (run.folder / "result.json").write_text('{"task": "rt')
    assert plan_of([run]) == Plan(crashed=[run])


def test_a_run_with_the_record_of_another_run_counts_as_crashed(tmp_path):
    one, two = (make_run(tmp_path, f"seed={seed}") for seed in (0, 1))
    store_run_record(one)
    shutil.copytree(one.folder, two.folder)
    assert plan_of([one, two]) == Plan(done=[one], crashed=[two])


def test_a_forced_run_that_crashed_is_still_done(run):
    store_run_record(run)
    (run.folder / "crash.json").write_text("{}")
    assert plan_of([run]) == Plan(done=[run])


def fail_to_identify(cfg):
    raise ContentError(f"{cfg.task} is not available\nand no record tells what it is")


def test_a_run_that_cannot_be_identified_stops_a_plan(run):
    with pytest.raises(ContentError):
        make_plan([run.cfg], [], SimpleNamespace(run=fail_to_identify))


def test_the_state_of_a_run_that_cannot_be_identified_is_unknown(run):
    identities = SimpleNamespace(run=fail_to_identify)
    plan = make_plan([run.cfg] * 2, [], identities, identify_all=False)
    reason = f"{run.cfg.task} is not available"
    assert plan == Plan(unidentified=[run.cfg] * 2, reasons=[reason])
    assert plan.total == 2


def test_a_plan_keeps_the_order_of_the_runs(tmp_path):
    runs = [make_run(tmp_path, f"seed={seed}") for seed in (2, 0, 1)]
    assert plan_of(runs).missing == runs


def test_the_total_counts_every_run_once(tmp_path):
    runs = [make_run(tmp_path, f"seed={seed}") for seed in range(3)]
    store_run_record(runs[0])
    runs[1].folder.mkdir(parents=True)
    (runs[1].folder / "crash.json").write_text("{}")
    plan = plan_of(runs)
    assert (plan.total, len(plan.done), len(plan.missing), len(plan.crashed)) == (3, 1, 1, 1)


@pytest.mark.parametrize("name", ["crash.json", "result.json"])
def test_a_retried_run_is_missing_and_keeps_a_backup(run, name):
    (run.folder / name).write_text("{")
    clear_crashes([run])
    assert plan_of([run]) == Plan(missing=[run])
    assert names_in(run.folder) == {f"{name}.before"}


def test_a_run_is_not_done_because_its_folder_is_a_link_to_another_run(tmp_path):
    one, two = (make_run(tmp_path, f"seed={seed}") for seed in (0, 1))
    store_run_record(two)
    one.folder.symlink_to(two.folder)
    assert plan_of([one, two]) == Plan(done=[two], crashed=[one])


def test_a_retry_of_a_run_whose_folder_is_a_link_leaves_the_other_run_alone(tmp_path):
    one, two = (make_run(tmp_path, f"seed={seed}") for seed in (0, 1))
    store_run_record(two)
    one.folder.symlink_to(two.folder)
    clear_crashes([one])
    assert plan_of([one, two]) == Plan(done=[two], missing=[one])


def test_a_record_that_is_a_broken_link_counts_as_a_crash(run):
    (run.folder / "result.json").symlink_to("absent")
    assert plan_of([run]) == Plan(crashed=[run])


def test_a_retry_leaves_other_runs_alone(tmp_path):
    one, two = (make_run(tmp_path, f"seed={seed}") for seed in (0, 1))
    record = store_run_record(two)
    clear_crashes([one])
    assert read_record(two.folder) == record


RUNS = [make_run("runs", f"task={t}", f"seed={s}").cfg for s in range(3) for t in ("rte", "cola")]


def test_a_sweep_goes_through_all_cells_seed_by_seed(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    sweep = read_sweep(str(tmp_path / "tiny.yaml")).narrow(["scale=mini", "seed=2,0,1"])
    runs = [(cfg.seed, cfg.task, cfg.method) for cfg in sweep.configs()]
    assert [seed for seed, *_ in runs] == sorted([0, 1, 2] * 4)
    assert [cell for _, *cell in runs[:4]] == [cell for _, *cell in runs[4:8]]
    assert len(set(runs)) == 12


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_shards_are_disjoint_and_complete(n):
    parts = [select_shard(RUNS, f"{i}/{n}") for i in range(1, n + 1)]
    assert sorted(RUNS.index(cfg) for part in parts for cfg in part) == list(range(6))


def test_shards_differ_in_size_by_at_most_one():
    sizes = [len(select_shard(RUNS, f"{i}/4")) for i in range(1, 5)]
    assert sizes == [2, 2, 1, 1]


def times_of_shards(seconds, n):
    """Return the total time of each shard."""
    parts = [select_shard(RUNS, f"{i}/{n}", seconds) for i in range(1, n + 1)]
    assert sorted(RUNS.index(cfg) for part in parts for cfg in part) == list(range(6))
    return [sum(seconds[RUNS.index(cfg)] or 0 for cfg in part) for part in parts]


def test_shards_take_about_the_same_time():
    assert times_of_shards([60, 10, 10, 10, 10, 20], 2) == [60, 60]


def test_a_shard_keeps_the_order_of_its_runs():
    seconds = [10, 60, 20, 10, 10, 10]
    assert select_shard(RUNS, "2/2", seconds) == [RUNS[0], *RUNS[2:]]


def test_runs_of_equal_time_are_distributed_round_robin():
    assert select_shard(RUNS, "2/4", [3.0] * 6) == [RUNS[1], RUNS[5]]


def test_runs_of_unknown_time_are_balanced_by_count():
    assert select_shard(RUNS, "2/4", [60, 10, None, 10, 10, 20]) == [RUNS[1], RUNS[5]]


def test_a_shard_without_runs_is_refused():
    with pytest.raises(
        ConfigError, match="--shard 7/9: no runs; the sweep has 6, so i goes up to 6"
    ):
        select_shard(RUNS, "7/9")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "", "-1/2", "²/3", "1/٣"])
def test_an_invalid_shard_is_refused(text):
    with pytest.raises(ConfigError, match=f"--shard {text}: expected i/n"):
        select_shard(RUNS, text)


def test_a_shard_of_thousands_of_digits_is_refused():
    with pytest.raises(ConfigError, match="expected i/n"):
        select_shard(RUNS, "1/" + "9" * 5000)


def test_a_record_written_since_the_plan_is_not_moved_aside(run):
    (run.folder / "crash.json").write_text("{}")
    plan = plan_of([run])
    store_run_record(run)
    clear_crashes(plan.crashed)
    assert names_in(run.folder) == {"crash.json", "result.json"}


def test_a_run_that_another_process_executes_since_the_plan_is_left_alone(run):
    (run.folder / "crash.json").write_text("{}")
    plan = plan_of([run])
    with hold_claim(run.folder):
        clear_crashes(plan.crashed)
    assert names_in(run.folder) == {"crash.json"}


@pytest.mark.parametrize("link", [os.link, refuse], ids=["hard links", "no hard links"])
def test_a_record_that_is_written_at_the_last_moment_is_kept(run, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    (run.folder / "result.json").write_text("{")
    plan = plan_of([run])
    move = Path.replace

    def move_late(path, target):
        if path.name == "result.json":
            store_run_record(run)
        return move(path, target)

    monkeypatch.setattr(Path, "replace", move_late)
    clear_crashes(plan.crashed)
    assert read_record(run.folder) is not None
    assert names_in(run.folder) == {"result.json"}
