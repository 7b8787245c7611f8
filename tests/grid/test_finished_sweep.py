"""What `stablebert grid` and reports do once all runs of a sweep have finished."""

import io
import re
from contextlib import redirect_stdout
from dataclasses import replace
from types import SimpleNamespace

import pytest

from stablebert.cli.main import main
from stablebert.grid.plan import make_plan
from stablebert.report.records import read_records
from stablebert.runs.identities import Identities
from stablebert.runs.record import read_record
from stablebert.training.lifecycle import train_run
from tests.helpers.runs import SWEEP, check_is_complete, history_of, join_arguments, runs_of
from tests.helpers.warm_processes import warm_workers


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
