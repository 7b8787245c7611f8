"""Weights of runs: read as they were written, or refused by the name of their file."""

import re

import numpy as np
import pytest

from stablebert.runs.weights import WeightsError, read_weights, save_weights
from tests.helpers.runs import make_run_record, names_in

WEIGHTS = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.array([0.1, -2.0], dtype=np.float32),
    "steps": np.array(3),
}


@pytest.fixture
def record(run):
    return make_run_record(run, predictions_digest="0123")


@pytest.fixture
def file(run, record):
    """File of the weights of a run."""
    save_weights(WEIGHTS, run.folder, record)
    return run.folder / "weights.safetensors"


def test_weights_are_read_as_they_were_written(run, record, file):
    weights = dict(read_weights(run.folder, record))
    assert weights.keys() == WEIGHTS.keys()
    assert all(np.array_equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_every_file_has_its_weights_in_the_same_order(run, record):
    save_weights(dict(reversed(WEIGHTS.items())), run.folder, record)
    assert [name for name, _ in read_weights(run.folder, record)] == sorted(WEIGHTS)


def test_nothing_else_is_left_in_the_folder(run, file):
    assert names_in(run.folder) == {file.name}


def test_newer_weights_replace_older_ones(run, record, file):
    save_weights({"a": np.zeros(1)}, run.folder, record)
    assert [name for name, _ in read_weights(run.folder, record)] == ["a"]


def flip_last_bit(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        pytest.param(lambda content: content[:-1], "truncated or damaged", id="truncated"),
        pytest.param(lambda content: b"", "truncated or damaged", id="empty"),
        pytest.param(lambda content: b"{}" * 50, "truncated or damaged", id="text"),
        pytest.param(flip_last_bit, "its digest does not match", id="one bit"),
        pytest.param(
            lambda content: content.replace(b"a.bias", b"c.bias"), "digest", id="renamed tensor"
        ),
    ],
)
def test_damaged_weights_are_named(run, record, file, damage, problem):
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(WeightsError, match=f"{re.escape(str(file))}: .*{problem}.*; delete it and"):
        list(read_weights(run.folder, record))


def test_missing_weights_are_named(run, record):
    with pytest.raises(WeightsError, match=r"weights\.safetensors: missing"):
        list(read_weights(run.folder, record))


@pytest.mark.parametrize("digest", ["4567", None])
def test_weights_of_other_predictions_are_not_those_of_the_record(run, file, digest):
    record = make_run_record(run, predictions_digest=digest)
    with pytest.raises(WeightsError, match="of another run than the record next to it"):
        list(read_weights(run.folder, record))
