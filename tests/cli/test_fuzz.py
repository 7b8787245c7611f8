"""No argument and no damaged file ends a command in a traceback or another exit status."""

import pytest

from stablebert.cli.commands import COMMANDS
from tests.helpers.campaign import run_campaign
from tests.helpers.fuzz import (
    KEY_COMMANDS,
    SWEEP_COMMANDS,
    damaged_files,
    find_fault,
    make_sandbox,
    random_command_lines,
)


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """Folder with odd files that commands run in without a network, and without training."""
    return make_sandbox(tmp_path, monkeypatch)


def sizes(small, large):
    return [small, pytest.param(large, marks=pytest.mark.stress)]


def check(argv):
    """Check that a command line ends without a fault."""
    fault = find_fault(argv)
    assert fault is None, fault


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("words", sizes(30, 1000))
@pytest.mark.parametrize("command", COMMANDS)
def test_random_arguments_are_refused_or_accepted(command, words, capfd):
    run_campaign(capfd, check, random_command_lines(command, words, seed=0))


@pytest.mark.parametrize("files", sizes(5, 120))
@pytest.mark.parametrize("command", [*KEY_COMMANDS, *SWEEP_COMMANDS])
def test_damaged_yaml_is_refused_or_accepted(sandbox, command, files, capfd):
    run_campaign(capfd, check, damaged_files(command, files, 0, sandbox))
