import re

import pytest

from stablebert.cli.commands import COMMANDS
from stablebert.cli.help import EXAMPLES, describe_program
from stablebert.cli.main import main
from stablebert.config.compose import compose
from stablebert.config.schema import KEYS
from stablebert.config.serialize import flat_values
from stablebert.config.values import choices_of, parse_value


def help_lines(capsys, *argv):
    """Return the lines that a command prints for --help."""
    assert main([*argv, "--help"]) == 0
    return capsys.readouterr().out.splitlines()


def shown_values(lines):
    """Return the text next to each key in the help of a command."""
    matches = (re.fullmatch(r"([a-z_.\d]+)=(.*)", line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


@pytest.mark.parametrize("key", ["task", "method", "length", "scale"])
def test_the_program_help_lists_every_choice(key):
    (line,) = [line for line in describe_program().splitlines() if line.split()[:1] == [key]]
    assert line.split()[1:] == choices_of(key)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_program_help_has_a_line_for_every_command(name):
    assert re.search(rf"^  {name} +{re.escape(COMMANDS[name].summary)}$", describe_program(), re.M)


@pytest.mark.parametrize("line", EXAMPLES.splitlines())
def test_an_example_of_the_program_help_is_valid(line):
    compose(line.split()[2:])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_help(capsys, name):
    try:
        status = main([name, "--help"])
    except SystemExit as end:  # argparse
        status = end.code
    assert status == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "config", "doctor"])
def test_the_command_help_lists_every_key(capsys, command):
    assert list(shown_values(help_lines(capsys, command))) == list(KEYS)


@pytest.mark.parametrize("line", ["    takes a number above 0, at most 1", "seed_init=null"])
def test_the_command_help_describes_values_as_typed(capsys, line):
    assert line in help_lines(capsys, "train")


@pytest.mark.parametrize(
    "overrides",
    [[], ["scale=paper", "task=mrpc"], ["method=reinit+bitfit", "length=longer", "seed=3"]],
)
def test_the_command_help_shows_the_values_that_the_arguments_would_use(capsys, overrides):
    shown = shown_values(help_lines(capsys, "train", *overrides))
    values = {key: parse_value(text, key) for key, text in shown.items()}
    assert values == flat_values(compose(overrides))


@pytest.mark.parametrize("line", ["optimizer.lr=0.001", "data.source=demo", "model.name=demo"])
def test_the_bare_help_of_train_shows_the_demo(capsys, line):
    assert line in help_lines(capsys, "train")


def test_invalid_arguments_are_reported_next_to_the_default_help(capsys):
    assert main(["train", "lr=3", "--help"]) == 0
    streams = capsys.readouterr()
    assert "did you mean optimizer.lr?" in streams.err
    assert "values that `stablebert train` uses." in streams.out
