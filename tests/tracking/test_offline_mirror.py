"""The mirror of a run that the real client has written offline."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stablebert.cli.main import main
from stablebert.report.chance import is_at_chance
from stablebert.runs.record import parse_record
from tests.helpers.sweeps import rows_of


def inspect(file):
    """Return all entries of an offline run, read by the client's own command."""
    command = [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", file]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def offline_runs(arguments, tmp_path_factory):
    """The result.json of a run, and what its two mirrors contain: while it ran, and afterward."""
    home = tmp_path_factory.mktemp("offline")
    command = ["train", *arguments(home, "wandb.mode=offline", "wandb.tags=[try]", "seed=2")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_DIR", str(home))
        for _ in range(2):
            assert main(command) == 0
    (result,) = home.glob("runs/**/result.json")
    files = sorted(home.glob("wandb/offline-run-*/run-*.wandb"))
    return result, [(file.parent, inspect(file)) for file in files]


MIRRORS = pytest.mark.parametrize("mirror", [0, 1], ids=["while it ran", "afterward"])


@pytest.mark.slow
def test_a_finished_run_is_mirrored_again(offline_runs):
    assert len(offline_runs[1]) == 2


@pytest.mark.slow
@MIRRORS
def test_a_mirror_has_name_group_and_tags(offline_runs, mirror):
    (start,) = [entry["run"] for entry in offline_runs[1][mirror][1] if entry["type"] == "run"]
    assert (start["display_name"], start["run_group"]) == ("rte/standard/seed2", "rte/standard")
    assert start["tags"][:3] == ["mini", "3epochs", "try"]


@pytest.mark.slow
@MIRRORS
def test_a_mirror_has_the_rows_of_the_history(offline_runs, mirror):
    result, mirrors = offline_runs
    rows = [e["history"]["item"] for e in mirrors[mirror][1] if e["type"] == "history"]
    rows = [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]
    assert rows == rows_of(result)
    assert {"bias_ratio/layer_01", "weight_change/pooler", "val/score"} <= rows[-1].keys()


@pytest.mark.slow
@MIRRORS
def test_a_mirror_has_the_configuration_and_names_to_group_by(offline_runs, mirror):
    result, mirrors = offline_runs
    entries = [e["config"]["update"] for e in mirrors[mirror][1] if e["type"] == "config"]
    config = {key: value for entry in entries for key, value in entry.items()}
    assert (config["config_id"], config["seeds"]) == (result.parents[1].name, "2")
    assert config["optimizer"]["bias_correction"] is config["bias_correction"] is True


@pytest.fixture
def summary_of(offline_runs):
    def summary(mirror):
        entries = [e.get("summary", {}).get("update", {}) for e in offline_runs[1][mirror][1]]
        return {key: value for entry in entries for key, value in entry.items()}

    return summary


@pytest.mark.slow
@MIRRORS
def test_the_summary_is_the_record(offline_runs, summary_of, mirror):
    record = json.loads(offline_runs[0].read_text())
    summary = summary_of(mirror)
    for name in ("test_at_best", "predictions"):
        assert summary[name] == record[name]
    assert summary["failed"] == int(record["status"] == "failed")
    assert summary["at_chance"] == int(is_at_chance(parse_record(offline_runs[0].read_bytes())))


@pytest.mark.slow
@MIRRORS
def test_the_summary_has_the_best_validation_score(offline_runs, summary_of, mirror):
    scores = [row["val/score"] for row in rows_of(offline_runs[0]) if "val/score" in row]
    assert summary_of(mirror)["val/score"] == {"max": max(scores)}


@pytest.mark.slow
@MIRRORS
@pytest.mark.parametrize("name", ["result.json", "predictions.parquet"])
def test_record_and_predictions_are_among_the_files(offline_runs, mirror, name):
    folder, _ = offline_runs[1][mirror]
    assert (folder / "files" / name).read_bytes() == offline_runs[0].with_name(name).read_bytes()
