"""Fixtures for tests of models: a folder per architecture, and little data."""

import pytest

from tests.helpers.architectures import SHAPES, write_architecture
from tests.helpers.tiny import write_tiny_task


@pytest.fixture(scope="session")
def folders(tiny_bert, tmp_path_factory):
    """Folder of a pre-trained model per architecture, all with the vocabulary of `tiny_bert`."""
    root = tmp_path_factory.mktemp("architectures")
    for kind in SHAPES:
        write_architecture(kind, root / kind, tiny_bert)
    return {kind: root / kind for kind in SHAPES}


@pytest.fixture(scope="session")
def small_glue(tmp_path_factory):
    """Folder with 100 training rows of RTE, and enough of MNLI for intermediate training."""
    folder = tmp_path_factory.mktemp("data") / "small-glue"
    write_tiny_task(folder, "rte", train_rows=100)
    write_tiny_task(folder, "mnli", train_rows=1500)
    return folder
