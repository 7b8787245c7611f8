"""Commands that are killed before any of their file operations finish when they are rerun."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from stablebert.config.compose import compose
from stablebert.config.files import CONF
from stablebert.runs.locate import locate
from stablebert.runs.record import read_record
from tests.helpers.campaigns import check_all
from tests.helpers.fork_server import call_command
from tests.helpers.kill_points import execute, files_below
from tests.helpers.runs import join_arguments, outcome_of

pytestmark = pytest.mark.slow

SEARCH = """
program: stablebert
method: grid
command: ["${env}", "${interpreter}", "-m", "stablebert", "train", "${args_no_hyphens}"]
parameters:
  method: {value: reinit}
  reinit.num_layers: {values: [1, 2]}
  seed: {value: 0}
"""
"""A sweep of two runs that `select` chooses from."""


@dataclass(frozen=True)
class Scenario:
    """A command, and the folder in which it starts.

    Attributes:
        arguments: Function of the folder: returns the arguments.
        template: Content of the folder; None if it is empty.
        function: Function that the arguments are for.
    """

    arguments: Callable
    template: Path | None = None
    function: Callable = call_command

    def start(self, folder, *, kill_before=None):
        """Execute the command in a folder."""
        arguments = self.arguments(folder)
        return execute(self.function, arguments, folder, kill_before=kill_before)

    def prepare(self, folder):
        """Create the folder in which the command starts."""
        if self.template:
            shutil.copytree(self.template, folder)
        else:
            folder.mkdir()
        return folder


# ---------------------------------------------------------------- scenarios


@pytest.fixture(scope="module")
def train_arguments(tiny_bert, small_glue):
    """Function that returns the arguments of a tiny run: `train_arguments("seed=1")(folder)`."""

    defaults = {
        **{"scale": "mini", "task": "rte", "model.name": tiny_bert, "data.source": small_glue},
        **{"trainer.max_steps": 4, "trainer.evaluations": 2, "trainer.threads": 1},
    }

    def train_arguments(*overrides):
        def arguments(folder):
            paths = {"paths.runs": folder / "runs", "paths.cache": folder / "cache"}
            return ["train", *join_arguments({**defaults, **paths}, overrides)]

        return arguments

    return train_arguments


@pytest.fixture(scope="module")
def finished(train_arguments, tmp_path_factory):
    """Folder with three finished runs, their prepared data, and a sweep of two of the runs."""
    folder = tmp_path_factory.mktemp("finished") / "folder"
    folder.mkdir()
    search = [["method=reinit", f"reinit.num_layers={n}", "trainer.max_steps="] for n in (1, 2)]
    for overrides in [[], ["task=mnli"], *search]:
        ending = execute(call_command, train_arguments(*overrides)(folder), folder)
        assert ending.exit_code == 0, ending.output
    shutil.rmtree(folder / "runs/mini/mnli")
    (folder / "search.yaml").write_text(SEARCH)
    shutil.copy(CONF / "selected.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def scenarios(train_arguments, finished, tmp_path_factory):
    """Every scenario by name."""
    root = tmp_path_factory.mktemp("templates")
    train = Scenario(train_arguments())

    prepared = shutil.copytree(finished / "cache", root / "prepared/cache").parent

    damaged = shutil.copytree(prepared, root / "damaged")
    (cache,) = damaged.glob("cache/rte-*/padding.json")
    cache.write_text("{")

    killed = train.prepare(root / "killed")
    (rename,) = [
        i
        for i, name in enumerate(train.start(train.prepare(root / "whole")).operations)
        if name.startswith("os.rename") and name.endswith("history.jsonl")
    ]
    assert train.start(killed, kill_before=rename).exit_code == -9

    crashed = train.prepare(root / "crashed")
    run = locate(compose(train_arguments()(crashed)[1:]))
    run.folder.mkdir(parents=True)
    (run.folder / "crash.json").write_text("{}")

    def on_sweep(command, *arguments):
        sweep = train_arguments("trainer.max_steps=")
        return lambda f: [command, str(f / "search.yaml"), *sweep(f)[1:], *arguments]

    def collect(name):
        return Scenario(lambda f: ["collect", str(f / "out" / name), str(f / "runs")], finished)

    return {
        "train": train,
        "train with checkpoints": Scenario(train_arguments("trainer.checkpoint_minutes=1e-9")),
        "forced train": Scenario(train_arguments("force=true"), finished),
        "train after a kill": Scenario(train_arguments(), killed),
        "train after a crash": Scenario(train_arguments(), crashed),
        "train on a damaged cache": Scenario(train_arguments(), damaged),
        "train from an intermediate task": Scenario(
            train_arguments("method=intermediate"), prepared
        ),
        "early validation": Scenario(train_arguments(), prepared, validate_early),
        "collect .jsonl": collect("records.jsonl"),
        "collect .csv": collect("records.csv"),
        "collect .parquet": collect("records.parquet"),
        "select": Scenario(lambda f: [f, *on_sweep("select")(f)], finished, select),
        "report": Scenario(lambda f: [*on_sweep("report")(f), f"--out={f / 'out'}"], finished),
    }


def validate_early(_, *overrides):
    """Validate a run early, as a worker of `grid --prune` does."""
    from stablebert.runs.run import Job
    from stablebert.training.lifecycle import run_job

    run_job(Job(locate(compose(overrides)), stop_after=0.5))
    return 0


def select(folder, *argv):
    """Run `select`, which writes into this folder."""
    from stablebert.cli import reports

    reports.CONF = folder
    return call_command(*argv)


# ---------------------------------------------------------------- kills


def content_of(folder):
    """Return the content of every file by name, without clock times."""
    return {name: _content(folder / name) for name in files_below(folder)}


def _content(path):
    if path.name == "result.json":
        return outcome_of(read_record(path.parent))
    if path.name.startswith("peek-"):
        score = json.loads(path.read_text())
        return {name: score[name] for name in score.keys() - {"seconds", "digest"}}
    return b"" if path.is_dir() else path.read_bytes()


class Campaign:
    """Kills of one scenario, all in the same folder: its name is in some files.

    Args:
        scenario: The scenario.
        folder: The folder.
    """

    def __init__(self, scenario, folder):
        self._scenario, self._folder = scenario, folder
        scenario.prepare(folder)
        self._before = content_of(folder)
        ending = scenario.start(folder)
        assert ending.exit_code == 0, ending.output
        self._after = content_of(folder)
        self.operations = ending.operations

    def check(self, number):
        """Kill the command before an operation, rerun it, and compare the outcome."""
        shutil.rmtree(self._folder)
        self._scenario.prepare(self._folder)
        ending = self._scenario.start(self._folder, kill_before=number)
        assert ending.exit_code == -9, ending.output
        self._check_is_consistent(content_of(self._folder))
        ending = self._scenario.start(self._folder)
        assert ending.exit_code == 0, ending.output
        after = content_of(self._folder)
        leftovers = after.keys() - self._after.keys()
        assert not leftovers, f"leftovers: {leftovers}"
        differences = {name for name, content in self._after.items() if content != after.get(name)}
        assert not differences, f"another content: {differences}"

    def _check_is_consistent(self, content):
        """Check that each file is as before or after the command, and that no record is lost."""
        names = content.keys() & self._after.keys()
        torn = {n for n in names if content[n] not in (self._before.get(n), self._after[n])}
        assert not torn, f"torn: {torn}"
        lost = {name for name in self._before.keys() - names if name.endswith("result.json")}
        assert not lost, f"lost: {lost}"


NAMES = [
    *("train", "forced train", "train after a kill", "train after a crash"),
    *("train on a damaged cache", "train with checkpoints"),
    *("train from an intermediate task", "early validation", "select", "report"),
    *("collect .jsonl", "collect .csv", "collect .parquet"),
]


@pytest.mark.parametrize("points", [1, pytest.param(1000, id="all", marks=pytest.mark.stress)])
@pytest.mark.parametrize("name", NAMES)
def test_a_command_that_is_killed_before_a_file_operation_can_be_rerun(
    name, points, scenarios, tmp_path, capsys
):
    campaign = Campaign(scenarios[name], tmp_path / "folder")
    count = len(campaign.operations)
    numbers = sorted(random.Random(name).sample(range(count), min(points, count)))
    trials = {f"{name}, killed before {n} {campaign.operations[n]}": n for n in numbers}
    check_all(trials, campaign.check, capsys.disabled)
