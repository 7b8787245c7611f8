"""Commands on a page."""

import shlex

import pytest

from stablebert.report.page.commands import seed_overrides, train_command
from tests.helpers.records import make_cell, make_seeds


@pytest.mark.parametrize(
    ("seed", "overrides"), [(3, ["seed=3"]), ((1, 2), ["seed_init=1", "seed_data=2"])]
)
def test_seeds_are_given_once_unless_they_differ(seed, overrides):
    assert seed_overrides(*make_seeds([seed])) == overrides


def test_the_command_of_a_run_has_the_parameters_of_its_cell():
    cell = make_cell(method="reinit", **{"model.name": "/a folder/bert"})
    assert shlex.split(train_command(cell)) == [
        *("stablebert", "train", "scale=mini", "task=rte", "method=reinit", "length=3epochs"),
        "model.name=/a folder/bert",
    ]
