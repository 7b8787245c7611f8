"""Fixtures for tests of data modules of tiny tasks."""

import shutil

import pytest

from stablebert.glue import sources
from stablebert.glue.datamodule import data_module
from stablebert.tasks import TASKS
from tests.helpers.tiny import write_tiny_task


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Folder of caches of tokens, shared by the tests of a module."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def all_glue(tiny_glue, tmp_path_factory):
    """`tiny_glue` with enough rows of each class for every 1k version."""
    folder = tmp_path_factory.mktemp("glue")
    shutil.copytree(tiny_glue, folder, dirs_exist_ok=True)
    for config in ("rte", "mrpc", "cola"):
        write_tiny_task(folder, config, train_rows=1800)
    return folder


@pytest.fixture(scope="module")
def make(all_glue, tiny_bert, cache):
    """Function that returns the data module of a task."""

    def make(name="rte", glue=all_glue, **more):
        source = sources.resolve(glue, TASKS[name])
        return data_module(name)(
            **{"source": source, "tokenizer": tiny_bert, "cache": cache} | more
        )

    return make
