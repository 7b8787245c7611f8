"""Fixtures of tests that mirror tiny runs, or use a loopback W&B server."""

import pytest

from tests.helpers.hub_fixtures import dead_url, silent_url  # noqa: F401
from tests.helpers.wandb_fixtures import *  # noqa: F403


@pytest.fixture(scope="module")
def arguments(tiny_bert, tiny_glue, tmp_path_factory):
    """Function that returns the arguments of a run of 20 steps in a folder of its own."""
    cache = tmp_path_factory.mktemp("cache")

    def make(folder, *more):
        return [
            *("task=rte", "scale=mini", f"data.source={tiny_glue}", f"model.name={tiny_bert}"),
            *("trainer.max_steps=20", f"paths.runs={folder}/runs", f"paths.cache={cache}", *more),
        ]

    return make
