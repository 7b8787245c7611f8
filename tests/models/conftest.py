"""Fixtures for tests of models: a folder per architecture, and little data."""

import pytest

from tests.helpers.architectures import SHAPES, write_architecture


@pytest.fixture(scope="session")
def folders(tiny_bert, tmp_path_factory):
    """Folder of a pre-trained model per architecture, all with the vocabulary of `tiny_bert`."""
    root = tmp_path_factory.mktemp("architectures")
    for kind in SHAPES:
        write_architecture(kind, root / kind, tiny_bert)
    return {kind: root / kind for kind in SHAPES}
