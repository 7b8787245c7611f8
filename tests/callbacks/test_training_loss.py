"""The logged training loss and learning rate."""

import pytest
import torch

from stablebert.callbacks import TrainingLossMonitor, ValidationSchedule
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign

pytestmark = pytest.mark.slow


class KnownLoss(ForeignModule):
    """The loss of the k-th batch is k."""

    wrap = staticmethod(lambda loss: loss)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return self.wrap(loss * 0 + len(self.batches))


def losses_by_step(module, evaluations=2, **settings):
    recorder = Recorder()
    callbacks = [ValidationSchedule(evaluations), TrainingLossMonitor()]
    settings = {"max_epochs": 1} | settings
    fit_foreign(module, callbacks, recorder=recorder, **settings)
    lines = recorder.lines.items()
    return {step: line["train/loss"] for step, line in lines if "train/loss" in line}


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"loss": x}], ids=["tensor", "dict"])
def test_training_loss_is_the_mean_since_the_last_validation(tiny_bert, wrap):
    """There are 8 steps with validations after 4 and 8, so step 5 starts a new mean."""
    module = KnownLoss(tiny_bert)
    module.wrap = wrap
    losses = losses_by_step(module)
    assert losses == {1: 1, 2: 1.5, 3: 2, 4: 2.5, 5: 5, 8: 6.5}


def test_training_loss_is_undivided_under_accumulation(tiny_bert):
    """Lightning divides it by the number of micro-batches."""
    losses = losses_by_step(KnownLoss(tiny_bert), accumulate_grad_batches=2)
    assert losses[2] == 2.5


def test_a_loss_without_weights_is_preferred(tiny_bert):
    module = KnownLoss(tiny_bert)
    module.wrap = lambda loss: {"loss": loss * 0.5, "unweighted_loss": loss}
    assert losses_by_step(module)[4] == 2.5


def test_a_skipped_batch_does_not_count(tiny_bert):
    module = KnownLoss(tiny_bert)
    module.wrap = lambda loss: loss if len(module.batches) != 2 else None
    losses = losses_by_step(module, evaluations=1)
    assert losses[3] == 2  # (1 + 3) / 2


def test_a_training_step_without_a_loss_is_refused(tiny_bert):
    class Manual(ForeignModule):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.optimizers().step()

    with pytest.raises(TypeError, match=r"needs a loss from Manual\.training_step: a tensor, or"):
        fit_foreign(Manual(tiny_bert), [TrainingLossMonitor()], max_epochs=1)


def test_learning_rate_is_that_of_the_last_step(tiny_bert):
    class Scheduled(ForeignModule):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            halve = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
            return [optimizer], [{"scheduler": halve, "interval": "step"}]

    recorder = Recorder()
    module = Scheduled(tiny_bert, rate=1e-3)
    fit_foreign(module, [TrainingLossMonitor()], recorder=recorder, max_epochs=1)
    rates = {step: line["train/lr"] for step, line in recorder.lines.items() if "train/lr" in line}
    assert {step: rates[step] for step in (1, 2, 3)} == {1: 1e-3, 2: 5e-4, 3: 2.5e-4}
