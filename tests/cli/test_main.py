import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stablebert.cli.commands import COMMANDS
from stablebert.cli.help import EXAMPLES
from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.schema import KEYS
from stablebert.config.serialize import as_dict
from stablebert.config.values import choices_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch):
    """Configurations that got as far as looking for their data."""
    seen = []
    monkeypatch.setattr("stablebert.cli.runs.locate", seen.append)
    return seen


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_choice(word, capsys):
    assert main([word]) == 0
    out = capsys.readouterr().out
    for key in ("task", "method", "length", "scale"):
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [key]]
        assert line.split()[1:] == choices_of(key)
    assert out.rstrip().endswith(EXAMPLES)
    assert "train" in out


def test_examples_work():
    lines = EXAMPLES.splitlines()
    assert len(lines) == 3
    for line in lines:
        compose(line.split()[2:])


@pytest.mark.parametrize("argv", [["train", "--help"], ["config", "-h"], ["train", "x=", "--help"]])
def test_command_help_lists_every_key(argv, capsys):
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert [line.partition("=")[0] for line in out.splitlines() if line[:1].islower()
            and "=" in line.partition(" ")[0]] == list(KEYS)  # fmt: skip
    assert "optimizer.lr=0.001\n    peak learning rate" in out
    assert "    takes a number above 0, at most 1" in out
    assert "force=false" in out
    assert "seed_init=null" in out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("stablebert ")


def test_no_command_shows_the_help_and_fails(capsys):
    assert main([]) == 2
    assert "usage: stablebert" in capsys.readouterr().err


def test_unknown_command(capsys):
    assert main(["trian", "task=rte"]) == 2
    assert capsys.readouterr().err == (
        f"trian is not a command; the commands are {', '.join(COMMANDS)}; did you mean train?\n"
    )


def test_config_prints_the_resolved_yaml(capsys):
    words = ["task=cola", "method=reinit", "length=longer", "scale=paper"]
    assert main(["config", *words]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == as_dict(compose(words))


def test_every_problem_is_a_line(capsys, started):
    assert main(["train", "tsk=rte", "seed=x", "trainer.devices=2"]) == 2
    streams = capsys.readouterr()
    lines = streams.err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["stablebert train", word] for word in ("tsk=rte", "seed=x", "trainer.devices=2")
    ]
    assert streams.out == ""
    assert started == []


def test_python_m_stablebert_and_exit_status():
    def run(*words):
        return subprocess.run([sys.executable, "-m", "stablebert", *words], cwd=ROOT,
                              capture_output=True, text=True)  # fmt: skip

    assert run("--help").returncode == 0
    refused = run("train", "lr=3")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "stablebert train: lr=3: unknown key lr; did you mean optimizer.lr?\n"
    )
