"""Weights are kept on request; a finished run without them is trained again."""

from dataclasses import replace

import numpy as np
import pytest

from stablebert.runs.predictions import digest_of
from stablebert.runs.record import read_record
from stablebert.runs.weights import read_weights
from stablebert.training import lifecycle
from stablebert.training.lifecycle import train_run
from tests.helpers.lifecycles import forced
from tests.helpers.outcomes import make_outcome, predict, store
from tests.helpers.runs import FINISHED, names_in


@pytest.fixture
def weights(fit, monkeypatch):
    """Replace the weights of a model by those that the list holds."""
    weights = [np.zeros(1)]
    monkeypatch.setattr(lifecycle, "whole_weights", lambda model: {"w": weights[0]})
    return weights


def keeping(run):
    """Return the run with a request to keep its weights."""
    trainer = replace(run.cfg.trainer, keep_weights=True)
    return replace(run, cfg=replace(run.cfg, trainer=trainer))


@pytest.mark.parametrize("keep", [False, True])
def test_weights_are_kept_on_request(run, weights, keep):
    train_run(keeping(run) if keep else run)
    assert names_in(run.folder) - FINISHED == ({"weights.safetensors"} if keep else set())


def test_weights_are_written_before_the_record(run, weights, names_at_record):
    train_run(keeping(run))
    assert "weights.safetensors" in names_at_record


def test_a_finished_run_without_its_weights_is_trained_again(run, weights, fit):
    train_run(run)
    record = train_run(keeping(run))
    assert len(fit) == 2
    assert dict(read_weights(run.folder, record)) == {"w": [0]}


def test_the_record_of_a_run_without_its_weights_is_replaced(run, weights, monkeypatch):
    train_run(run)
    test = store(test_at_last=predict((5, 5), (10, 10)))
    monkeypatch.setattr(lifecycle, "fit", lambda *_: make_outcome(predictions=test))
    record = train_run(keeping(run))
    assert read_record(run.folder) == record
    assert record.predictions_digest == digest_of(test)


def test_a_finished_run_with_its_weights_is_not_trained_again(run, weights, fit):
    assert train_run(keeping(run)) == train_run(keeping(run)) == train_run(run)
    assert len(fit) == 1


def test_a_forced_run_replaces_its_weights(run, weights):
    train_run(keeping(run))
    weights[0] = np.ones(1)
    record = train_run(forced(run))
    assert dict(read_weights(run.folder, record)) == {"w": [1]}
