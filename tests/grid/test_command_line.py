"""The command `stablebert grid` and what reports make of its runs, from one finished sweep."""

import io
import re
from contextlib import redirect_stdout
from dataclasses import replace
from types import SimpleNamespace

import pytest

from stablebert.cli import sweeps
from stablebert.cli.main import main
from stablebert.grid import executor
from stablebert.grid.plan import make_plan
from stablebert.report.page import sweep_page
from stablebert.report.records import read_records
from stablebert.runs.identities import Identities
from stablebert.runs.record import read_record
from stablebert.training.lifecycle import train_run
from tests.helpers.models import copy_model
from tests.helpers.pages import PageContent
from tests.helpers.runs import SEEDS, SWEEP, check_is_complete, history_of, join_arguments, runs_of
from tests.helpers.scripted_workers import ScriptedWorkers, crash, finish
from tests.helpers.warm_processes import warm_workers

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
def results(tmp_path, monkeypatch):
    """Folder of committed records, empty at first."""
    monkeypatch.setattr("stablebert.cli.arguments.RESULTS", tmp_path / "results")
    return tmp_path / "results"


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


# ---------------------------------------------------------------- one finished sweep


@pytest.fixture(scope="module")
def sweep(run_defaults, tmp_path_factory):
    """Finished sweep of eight runs: its folder, its arguments, and the output of the grid."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "tiny.yaml").write_text(SWEEP)
    defaults = {**run_defaults, "paths.runs": str(folder / "runs")}

    def arguments(*overrides):
        return [str(folder / "tiny.yaml"), *join_arguments(defaults, overrides)]

    output = io.StringIO()
    with redirect_stdout(output), warm_workers():
        assert main(["grid", *arguments(), "--workers", "2"]) == 0
    return SimpleNamespace(folder=folder, arguments=arguments, output=output.getvalue())


@pytest.fixture
def committed(sweep, results):
    """Folder of committed records with those of the sweep."""
    assert main(["collect", str(results / "mini" / "tiny.jsonl"), str(sweep.folder / "runs")]) == 0
    return results


def read_output(capsys, *command):
    """Run a command; return what it printed."""
    capsys.readouterr()
    assert main(list(command)) == 0
    streams = capsys.readouterr()
    return streams.out + streams.err


@pytest.mark.slow
def test_every_run_is_complete(sweep):
    check_is_complete(runs_of(sweep.arguments()))


@pytest.mark.slow
def test_a_warm_worker_s_run_is_bit_equal_to_one_trained_elsewhere(sweep, tmp_path):
    last = runs_of(sweep.arguments())[-1]
    record = train_run(replace(last, folder=tmp_path))
    assert history_of(tmp_path) == history_of(last.folder)
    assert record.test_at_best == read_record(last.folder).test_at_best


@pytest.mark.slow
def test_the_output_has_one_line_per_run(sweep):
    pattern = r"^\[\d/8\] .* \(\w+(?:, at chance)?, \d+ s\); left "
    assert len(re.findall(pattern, sweep.output, re.MULTILINE)) == 8


@pytest.mark.slow
def test_a_finished_sweep_has_nothing_to_run(sweep, results, capsys):
    output = read_output(capsys, "grid", *sweep.arguments())
    assert "8 done, 0 missing, 0 crashed" in output


@pytest.mark.slow
def test_a_wider_sweep_lacks_the_new_seeds(sweep, results, capsys):
    output = read_output(capsys, "grid", *sweep.arguments("seed=0..2"), "--dry-run")
    assert "8 done, 4 missing" in output


@pytest.mark.slow
def test_finished_runs_tell_how_long_the_others_take(sweep, results, capsys):
    output = read_output(capsys, "grid", *sweep.arguments("seed=0..2"), "--dry-run")
    assert re.search(r"estimated time \d:\d\d:\d\d", output)


@pytest.fixture
def elsewhere(sweep, tmp_path):
    """Function that returns the arguments of the sweep with an empty folder of runs."""
    return lambda *more: sweep.arguments(f"paths.runs={tmp_path / 'none'}", *more)


@pytest.mark.slow
def test_a_dry_run_writes_nothing(elsewhere, results, tmp_path, capsys):
    output = read_output(capsys, "grid", *elsewhere(), "--dry-run")
    assert "0 done, 8 missing" in output
    assert "unknown until a run has finished" in output
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_shard_is_a_part_of_the_runs(elsewhere, results, capsys):
    output = read_output(capsys, "grid", *elsewhere(), "--dry-run", "--shard", "3/3")
    assert "0 done, 2 missing" in output


@pytest.mark.slow
def test_a_damaged_record_is_reported_and_not_done(elsewhere, results, capsys):
    arguments = elsewhere("task=rte", "method=standard", "seed=0")
    (run,) = runs_of(arguments)
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").write_text('{"task": "rt')
    output = read_output(capsys, "grid", *arguments, "--dry-run")
    assert "0 done, 0 missing, 1 crashed (--retry-crashed" in output
    assert f"skipped: {run.folder / 'result.json'}" in output


# ---------------------------------------------------------------- committed records


@pytest.mark.slow
def test_committed_records_are_the_records_of_the_runs(sweep, committed):
    records, problems = read_records(committed)
    assert problems == []
    stored = [read_record(run.folder) for run in runs_of(sweep.arguments())]
    assert sorted(r.key for r in records) == sorted(r.key for r in stored)


@pytest.mark.slow
def test_one_committed_record_is_one_done_run(elsewhere, committed):
    records, _ = read_records(committed)
    runs = runs_of(elsewhere())
    plan = make_plan([run.cfg for run in runs], records[:1], Identities([]))
    assert [run.key for run in plan.done] == [records[0].key]
    assert len(plan.missing) == 7


@pytest.mark.slow
def test_committed_records_count_as_done(elsewhere, committed, capsys):
    assert "8 done, 0 missing" in read_output(capsys, "grid", *elsewhere())


@pytest.mark.slow
def test_fresh_runs_do_not_count_committed_records(elsewhere, committed, capsys):
    output = read_output(capsys, "grid", *elsewhere(), "--fresh", "--dry-run")
    assert "0 done, 8 missing" in output
    assert re.search(r"estimated time \d:\d\d:\d\d", output)  # they tell how long a run takes


@pytest.fixture
def absent(elsewhere):
    """Function that returns the arguments of the sweep without its data and model."""
    inputs = ("data.source=/absent", "model.name=org/absent")
    return lambda *more: elsewhere(*inputs, *more)


@pytest.mark.slow
def test_committed_records_suffice_for_a_report_without_data_and_model(
    absent, committed, tmp_path, capsys
):
    (tmp_path / "none").mkdir()
    output = read_output(capsys, "report", *absent(), "--full", f"--out={tmp_path}/out")
    assert "8 of 8 runs: 4 cells, seeds 0..1; 0 missing" in output
    for part in ("data", "model"):
        assert f"{part} is not available; assuming the content that all records of" in output


@pytest.mark.slow
def test_committed_records_suffice_for_a_plan_without_data_and_model(absent, committed, capsys):
    output = read_output(capsys, "grid", *absent("seed=0..2"), "--dry-run")
    assert "8 done, 4 missing" in output
    assert "model is not available" in output


@pytest.mark.slow
def test_running_what_is_missing_takes_the_data(absent, committed, capsys):
    assert main(["grid", *absent("seed=0..2")]) == 1
    assert "'/absent' is not a folder" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["md", "csv", "tex"])
def test_a_report_is_written_in_three_formats(sweep, results, tmp_path, capsys, ending):
    output = read_output(capsys, "report", *sweep.arguments(), "--out", str(tmp_path / "out"))
    assert "CoLA" in output
    assert (tmp_path / "out" / f"tiny.{ending}").stat().st_size


@pytest.mark.slow
def test_records_are_collected_as_csv(sweep, tmp_path):
    path = tmp_path / "all.csv"
    assert main(["collect", str(path), str(sweep.folder / "runs")]) == 0
    assert len(path.read_text().splitlines()) == 1 + 8


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
