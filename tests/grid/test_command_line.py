"""The command `stablebert grid`: its output, its exit status and its page."""

import re

import pytest

from stablebert.cli import sweeps
from stablebert.cli.main import main
from stablebert.grid import executor
from stablebert.report.page import sweep_page
from stablebert.runs.record import read_record
from tests.helpers.models import copy_model
from tests.helpers.pages import PageContent
from tests.helpers.runs import SEEDS
from tests.helpers.scripted_workers import ScriptedWorkers, crash, finish

# ---------------------------------------------------------------- refused before anything is read


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel1"], "did you mean table1?"),
        (["table1", "task=rte,colla"], "task=colla"),
        (["table1", "tsk=rte"], "did you mean task?"),
        (["table1", "--shard", "3/2"], "--shard 3/2: expected i/n"),
        (["table1", "--prune", "0.3"], "--prune 0.3: expected F/K"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message, capsys):
    assert main(["grid", *arguments]) == 2
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------- scripted workers


@pytest.fixture
def demo_grid(results, tmp_path, monkeypatch):
    """Function that runs three seeds of the demo with workers that answer without training."""
    path = tmp_path / "seeds.yaml"
    path.write_text(SEEDS)
    arguments = [str(path), "scale=demo", "task=rte", f"paths.runs={tmp_path / 'runs'}", "--fresh"]

    def run(answer, *flags):
        monkeypatch.setattr(executor, "start_worker", ScriptedWorkers(answer).start)
        return main(["grid", *arguments, "--workers", "1", *flags])

    return run


def test_a_damaged_model_is_refused_before_any_run_starts(
    sweep_arguments, tiny_bert, tmp_path, monkeypatch, capsys
):
    folder = copy_model(tiny_bert, tmp_path / "bert", fill={"pooler.dense.bias": float("nan")})
    monkeypatch.setattr(executor, "start_worker", lambda *args, **options: pytest.fail("started"))
    assert main(["grid", *sweep_arguments(f"model.name={folder}")]) == 1
    error = capsys.readouterr().err
    assert error.count("model.safetensors: pooler.dense.bias contains NaN or infinity") == 1
    assert list(tmp_path.rglob("crash.json")) == []


def test_crashed_runs_are_listed_and_fail(demo_grid, tmp_path, capsys):
    assert demo_grid(crash) == 1
    paths = [str(path) for path in tmp_path.rglob("crash.json")]
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines) == sorted(f"crashed: {path}" for path in paths)
    assert len(lines) == 3


def test_crashed_runs_are_left_alone(demo_grid, capsys):
    demo_grid(crash)
    assert demo_grid(finish) == 1
    assert "0 missing, 3 crashed (--retry-crashed" in capsys.readouterr().out


def test_runs_that_crashed_before_fail_the_grid_that_finishes_the_others(demo_grid):
    demo_grid(crash, "seed=0")
    assert demo_grid(finish) == 1


def test_a_finished_grid_succeeds_with_nothing_to_run(demo_grid, capsys):
    demo_grid(finish)
    capsys.readouterr()
    assert demo_grid(finish) == 0
    assert capsys.readouterr().out.endswith("3 done, 0 missing, 0 crashed\nnothing to run\n")


@pytest.mark.parametrize(("flags", "count"), [([], 0), (["--dry-run"], 1)])
def test_a_grid_deletes_what_killed_processes_left_in_finished_runs(
    demo_grid, tmp_path, flags, count
):
    demo_grid(finish)
    record, *_ = tmp_path.rglob("result.json")
    record.with_name(f"history.jsonl.{'0' * 32}.part").touch()
    demo_grid(finish, *flags)
    assert len(list(tmp_path.rglob("*.part"))) == count


def test_a_report_on_other_seeds_prints_its_table_and_fails(demo_grid, tmp_path, capsys):
    demo_grid(finish)
    capsys.readouterr()
    runs = tmp_path / "runs"
    arguments = [f"{tmp_path}/seeds.yaml", "scale=demo", "task=rte", "seed=7", f"paths.runs={runs}"]
    assert main(["report", *arguments, "--fresh", "--full", f"--out={tmp_path}/out"]) == 1
    output = capsys.readouterr()
    assert "not counted (other configuration or seed): " in output.out
    assert output.err == (
        f"stablebert report: {arguments[0]}: no record belongs to it in {runs}; "
        f"train its runs with `stablebert grid {' '.join(arguments)} --fresh`\n"
    )
    assert (tmp_path / "out" / "seeds.csv").is_file()


def test_a_dry_run_without_data_or_model_counts_what_is_unknown(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    inputs = ["data.source=/absent", "model.name=/absent", f"paths.runs={tmp_path}"]
    assert main(["grid", "table1", "task=rte", "seed=0", *inputs, "--fresh", "--dry-run"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith(
        "table1: 4 runs, 0 done, 0 missing, 0 crashed, 4 unknown\n"
        "unknown, because data or model is not available: rte 4\n"
        "estimated time for everything that may be missing, on "
    )
    assert "'/absent' is not a folder" in output.err


def test_crashed_runs_are_retried_on_request(demo_grid, capsys):
    demo_grid(crash)
    assert demo_grid(finish, "--retry-crashed") == 0
    assert "[3/3]" in capsys.readouterr().out


def test_a_damaged_record_is_replaced_on_request_and_kept_as_a_backup(demo_grid, tmp_path):
    demo_grid(finish)
    damaged, *_ = tmp_path.rglob("result.json")
    damaged.write_text('{"task": "rt')
    assert demo_grid(finish, "--retry-crashed") == 0
    assert read_record(damaged.parent) is not None
    assert damaged.with_name("result.json.before").read_text() == '{"task": "rt'


def test_the_best_seeds_are_finished_on_request(demo_grid, capsys):
    """Dodge et al. (2020), Section 5."""
    assert demo_grid(finish, "--prune", "0.25/1") == 0
    output = capsys.readouterr().out
    assert "finishing 1 of 3 seeds" in output
    # 3 x 5 and 1 x 20 steps
    assert "3 seeds started, 1 finished; 35 of 60 steps" in output


def test_a_pruned_sweep_has_nothing_left_to_finish(demo_grid, capsys):
    demo_grid(finish, "--prune", "0.25/1")
    demo_grid(finish, "--prune", "0.25/1")
    assert "finishing 0 of 2 seeds" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--prune", "0.25/1"]])
def test_committed_runs_tell_how_long_fresh_ones_take(demo_grid, results, tmp_path, capsys, flags):
    demo_grid(finish, "seed=0")
    (tmp_path / "runs").rename(results)
    capsys.readouterr()
    demo_grid(finish, *flags)
    assert re.search(r"\[1/3\] .*; left \d:\d\d:\d\d", capsys.readouterr().out)


# ---------------------------------------------------------------- the page


def test_a_grid_writes_a_page_of_its_runs(demo_grid, tmp_path):
    path = tmp_path / "page.html"
    assert demo_grid(finish, "--page", str(path)) == 0
    content = PageContent(path.read_text())
    assert content.data["run-data"]["size"] == 3
    assert "3 of 3 runs" in content.text


def test_the_page_of_a_grid_that_was_stopped_does_not_reload_itself(
    demo_grid, tmp_path, monkeypatch
):
    def stop(*args, after_job, **options):
        after_job()
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "run_grid", stop)
    path = tmp_path / "page.html"
    assert demo_grid(finish, "--page", str(path)) == 130
    assert not any(a.get("id") == "reload" for _, a in PageContent(path.read_text()).elements)


def test_a_plan_writes_no_page(demo_grid, tmp_path):
    demo_grid(finish, "--page", str(tmp_path / "page.html"), "--dry-run")
    assert not (tmp_path / "page.html").exists()


def test_an_error_of_the_page_is_reported_and_does_not_stop_the_grid(
    demo_grid, tmp_path, monkeypatch, capsys
):
    def fail(*args, **options):
        raise ValueError("no ink")

    monkeypatch.setattr(sweep_page, "write_page", fail)
    assert demo_grid(finish, "--page", str(tmp_path / "page.html")) == 0
    assert capsys.readouterr().out.count("the page could not be written: ValueError: no ink") == 1
    assert len(list(tmp_path.rglob("result.json"))) == 3


def test_an_override_is_not_taken_for_the_file_of_the_page(capsys):
    with pytest.raises(SystemExit):
        main(["grid", "table1", "--page", "task=rte"])
    assert "'task=rte': expected a file that ends in .html" in capsys.readouterr().err
