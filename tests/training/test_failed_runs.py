"""Trainings that collapse or diverge: their scores, and the weights that are tested."""

import math

import pytest
import torch
from lightning.pytorch import Callback

from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from stablebert.training.lifecycle import train_run
from stablebert.training.module import GlueClassifier
from tests.helpers.lifecycles import train_and_read

pytestmark = pytest.mark.slow


def test_a_collapsed_run_has_failed_with_its_score(run_arguments):
    """docs/pitfalls.md, 12 and 14: a score of exactly 0 is a score, and nothing is left out."""
    record, _ = train_and_read(
        run_arguments("task=cola", "trainer.max_steps=2", "optimizer.lr=1e-9")
    )
    assert (record.status, record.test_at_best, record.val_best) == ("failed", 0.0, 0.0)
    assert record.val_best_step == 1  # the first of equal ones


@pytest.mark.usefixtures("diverging")
def test_a_run_of_nan_has_failed_with_score_zero(run_arguments):
    """docs/pitfalls.md, 2: a NaN is never the best, and never a gap in a mean."""
    record, history = train_and_read(run_arguments("task=stsb", "trainer.max_steps=2"))
    assert (record.status, record.val_best, record.val_best_step) == ("failed", 0.0, None)
    assert (record.test_at_best, record.test_at_last) == (0.0, 0.0)
    assert history[-1]["val/score"] is None


def test_a_run_that_collapses_at_its_end_keeps_its_best_weights(run_arguments, monkeypatch):
    step = GlueClassifier.training_step

    def collapsing(self, batch, batch_idx):
        if self.trainer.global_step == 150:
            with torch.no_grad():
                self.model.classifier.bias.copy_(torch.tensor([100.0, -100.0]))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GlueClassifier, "training_step", collapsing)
    record, _ = train_and_read(run_arguments("trainer.max_steps=160"))
    assert record.val_best_step <= 150
    assert record.test_at_best > record.majority["test"] + 0.05
    assert record.predictions["dev_at_last"]["not_entailment"] == 0
    assert record.status == "failed"


class TestPasses(Callback):
    """Callback that counts the passes over the test split."""

    __test__ = False

    def __init__(self):
        self.count = 0

    def on_test_epoch_end(self, *_):
        self.count += 1


@pytest.mark.parametrize(("collapses", "passes"), [(False, 1), (True, 2)])
def test_the_last_weights_are_tested_once_if_they_are_the_best(
    run_arguments, monkeypatch, collapses, passes
):
    original = GlueClassifier.validation_step

    def fail_the_last_validation(self, batch, batch_idx):
        original(self, batch, batch_idx)
        if collapses and self.trainer.global_step == 4:
            self._outputs = [(torch.full_like(x, math.nan), y) for x, y in self._outputs]

    monkeypatch.setattr(GlueClassifier, "validation_step", fail_the_last_validation)
    evaluations = 2 if collapses else 1
    counter = TestPasses()
    arguments = run_arguments("trainer.max_steps=4", f"trainer.evaluations={evaluations}")
    record = train_run(locate(compose(arguments)), [counter])
    assert counter.count == passes
    assert (record.metrics["test_at_best"] == record.metrics["test_at_last"]) or collapses
