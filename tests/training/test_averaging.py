"""Stochastic weight averaging against means of the weights after each step."""

import lightning as L
import pytest
import torch

from stablebert.callbacks import ValidationSchedule, WeightChangeMonitor
from stablebert.training.averaging import LateAveraging
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign

pytestmark = pytest.mark.slow


class Witness(L.Callback):
    """Weights of the classifier after each step, and at each validation."""

    def __init__(self):
        self.live, self.validated = {}, {}

    @staticmethod
    def copy(pl_module):
        return pl_module.model.classifier.weight.detach().clone()

    def on_train_start(self, trainer, pl_module):
        self.live[0] = self.copy(pl_module)

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.live[trainer.global_step] = self.copy(pl_module)

    def on_validation_epoch_end(self, trainer, pl_module):
        self.validated[trainer.global_step] = self.copy(pl_module)


@pytest.fixture(scope="module", params=[1, 2], ids=["", "accumulated"])
def averaged(request, tiny_bert):
    """A float64 training of 8 steps, averaged from the middle: module, witness, logged numbers."""
    module, witness, recorder = ForeignModule(tiny_bert, 1e-2).double(), Witness(), Recorder()
    callbacks = [ValidationSchedule(4), witness, WeightChangeMonitor(), LateAveraging(0.5, "cpu")]
    settings = {"max_steps": 8, "accumulate_grad_batches": request.param, "recorder": recorder}
    fit_foreign(module, callbacks, **settings)
    return module, witness, recorder.lines


def mean(witness, first, last):
    return torch.stack([witness.live[step] for step in range(first, last + 1)]).mean(0)


@pytest.mark.parametrize(("step", "first"), [(2, 2), (4, 4), (6, 5), (8, 5)])
def test_the_current_weights_are_validated_before_the_start_and_their_mean_after(
    averaged, step, first
):
    _, witness, _ = averaged
    torch.testing.assert_close(witness.validated[step], mean(witness, first, step), rtol=1e-12,
                               atol=0)  # fmt: skip


def test_the_mean_of_the_late_weights_is_left_at_the_end(averaged):
    module, witness, _ = averaged
    weight = Witness.copy(module)
    torch.testing.assert_close(weight, mean(witness, 5, 8), rtol=1e-12, atol=0)
    assert not torch.allclose(weight, witness.live[8], atol=1e-4)


def test_the_weight_change_is_that_of_the_current_weights(averaged):
    _, witness, lines = averaged
    names = {f"weight_change/{layer}" for layer in ("embeddings", "layer_00", "classifier")}
    assert names <= lines[8].keys()
    assert lines[8]["weight_change/classifier"] >= (witness.live[8] - witness.live[0]).norm()


def test_averaging_from_the_first_step_is_the_mean_of_all(tiny_bert):
    module, witness = ForeignModule(tiny_bert, 1e-2).double(), Witness()
    fit_foreign(module, [ValidationSchedule(1), witness, LateAveraging(0.0, "cpu")], max_steps=5)
    torch.testing.assert_close(Witness.copy(module), mean(witness, 1, 5), rtol=1e-12, atol=0)
