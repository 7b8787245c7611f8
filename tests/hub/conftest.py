"""Fixtures of tests that use a loopback hub."""

import shutil

import pytest

from tests.helpers.hub_fixtures import *  # noqa: F403
from tests.helpers.hub_server import BERT, GLUE, Hub


@pytest.fixture
def hub(tiny_glue, tiny_bert, tmp_path):
    """Loopback hub whose files the test may change."""
    served = tmp_path / "served"
    shutil.copytree(tiny_glue / "rte", served / "glue" / "rte")
    shutil.copytree(tiny_bert, served / "bert")
    (served / "bert" / "onnx").mkdir()
    (served / "bert" / "onnx" / "model.onnx").write_bytes(b"unwanted")
    (served / "bert" / "onnx" / "config.json").write_bytes(b"unwanted")
    with Hub({GLUE: served / "glue", BERT: served / "bert"}) as server:
        server.served = served
        yield server
