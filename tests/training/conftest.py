"""Fixtures for tests that train tiny runs, or that replace the training."""

import math

import pytest
import torch

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.training import lifecycle
from stablebert.training.module import GlueClassifier
from tests.helpers.checkpoint_fixtures import *  # noqa: F403
from tests.helpers.outcomes import make_outcome
from tests.helpers.run_fixtures import *  # noqa: F403
from tests.helpers.runs import make_run, names_in


@pytest.fixture
def names_at_record(run, monkeypatch):
    """Names in the folder of the run when its record is about to be written."""
    names = set()

    def write(path, data, *, replace):
        names.update(names_in(run.folder))
        return True

    monkeypatch.setattr(lifecycle, "write_json", write)
    return names


@pytest.fixture
def fit(monkeypatch):
    """Replace training by an outcome; return the runs that were trained."""
    runs = []

    def fit(run, loggers, watchers, watch, checkpoint):
        runs.append(run)
        return make_outcome(run.cfg.task)

    monkeypatch.setattr(lifecycle, "fit", fit)
    monkeypatch.setattr(
        lifecycle, "save_encoder", lambda model, folder, **_: folder.mkdir(exist_ok=True)
    )
    return runs


@pytest.fixture
def diverging(monkeypatch):
    """Make every training step start from a head of NaN."""
    step = GlueClassifier.training_step

    def training_step(self, batch, batch_idx):
        with torch.no_grad():
            self.model.classifier.bias.fill_(math.nan)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GlueClassifier, "training_step", training_step)


@pytest.fixture
def pair(tmp_path):
    """Run, and the run that it starts from."""
    start = make_run(tmp_path, "task=sst2")
    return make_run(tmp_path, "method=intermediate", start=start), start


@pytest.fixture
def run_with(run_arguments):
    """Function that locates a tiny run."""
    return lambda *overrides: locate(compose(run_arguments(*overrides)))
