"""Fixtures of interrupted runs of ten steps; a folder's conftest imports them."""

import shutil
import signal

import pytest

from stablebert.config.compose import compose
from stablebert.runs.files import CHECKPOINT
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from tests.helpers.checkpoints import BEFORE_A_STEP, STEPS, interrupt, left_by
from tests.helpers.runs import join_arguments

__all__ = ["copied", "interrupted", "make", "uninterrupted"]


@pytest.fixture(scope="module")
def make(tiny_bert, small_glue, tmp_path_factory):
    """Function that returns a run of ten steps in a folder of its own, and its arguments."""
    root = tmp_path_factory.mktemp("checkpoints")
    defaults = {
        **{"scale": "mini", "task": "rte", "model.name": tiny_bert, "data.source": small_glue},
        **{"trainer.max_steps": STEPS, "trainer.evaluations": 3, "trainer.threads": 1},
        **{"optimizer.lr": 1e-3, "trainer.keep_weights": "true", "paths.cache": root / "cache"},
    }

    def make(*overrides):
        runs = root / f"runs{len(list(root.iterdir()))}"
        runs.mkdir()
        arguments = join_arguments({**defaults, "paths.runs": runs}, overrides)
        return locate(compose(arguments)), arguments

    return make


@pytest.fixture(scope="module")
def uninterrupted(make):
    """Function that returns what a variant leaves without checkpoints and interruptions."""
    outcomes = {}

    def uninterrupted(*overrides):
        if overrides not in outcomes:
            run, _ = make(*overrides)
            train_run(run)
            outcomes[overrides] = left_by(run)
        return outcomes[overrides]

    return uninterrupted


@pytest.fixture(scope="module")
def interrupted(make):
    """A run with a checkpoint after step 4."""
    run, arguments = make()
    exit_code, output = interrupt(run, arguments, BEFORE_A_STEP, signal.SIGTERM, 4)
    assert exit_code == 143, output
    return run


@pytest.fixture
def copied(interrupted, make):
    """Another copy of that run, and its checkpoint."""
    run, _ = make()
    path = run.folder / CHECKPOINT
    path.parent.mkdir(parents=True)
    shutil.copy(interrupted.folder / CHECKPOINT, path)
    return run, path
