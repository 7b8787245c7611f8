"""A BERT with a head, and data modules of tiny tasks."""

import pytest

from stablebert.glue.datamodule import data_module
from stablebert.glue.sources import resolve
from stablebert.models.loading import load_model
from stablebert.tasks import TASKS
from tests.helpers.tiny import write_tiny_task


@pytest.fixture
def bert(tiny_bert):
    return load_model(tiny_bert, num_labels=2, seed=0)


@pytest.fixture(scope="session")
def callback_data(tiny_bert, tmp_path_factory):
    """Function that returns the data module of RTE or STS-B with 100 training rows."""
    folder, cache = tmp_path_factory.mktemp("data") / "glue", tmp_path_factory.mktemp("cache")
    for config in ("rte", "stsb"):
        write_tiny_task(folder, config, train_rows=100)

    def build(task, **settings):
        source = resolve(str(folder), TASKS[task])
        return data_module(task)(source=source, tokenizer=tiny_bert, cache=cache, **settings)

    return build
