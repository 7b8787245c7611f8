"""The logged training loss and learning rate."""

import math

import pytest
import torch

from stablebert.callbacks import TrainingLossMonitor, ValidationSchedule
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign
from tests.helpers.trainers import OUTSIDE_OF_A_FIT, OneWeight, trainer_at


def monitor_of_a_fit():
    monitor = TrainingLossMonitor()
    monitor.setup(trainer_at(), OneWeight(), "fit")
    return monitor


def mean_loss(outputs, *, automatic=True, accumulate=1):
    """Return what is logged after batches with these outputs of `training_step`."""
    monitor, module = monitor_of_a_fit(), OneWeight()
    module.automatic_optimization = automatic
    trainer = trainer_at(4, accumulate_grad_batches=accumulate)
    for output in outputs:
        monitor.on_train_batch_end(trainer, module, output, None, 0)
    return monitor.measure(trainer, module).get("train/loss")


def loss(value):
    return torch.tensor(value, requires_grad=True)


OUTPUTS = {
    "tensors": ([loss(1.0), loss(4.0)], {}, 2.5),
    "dicts": ([{"loss": loss(1.0)}, {"loss": loss(4.0)}], {}, 2.5),
    "skipped": ([loss(1.0), None, loss(4.0)], {}, 2.5),
    "skipped in a dict": ([loss(1.0), {"loss": None}], {}, 1.0),
    "divided by Lightning": ([loss(1.0), loss(4.0)], {"accumulate": 2}, 5.0),
    "undivided if manual": ([loss(1.0)], {"accumulate": 2, "automatic": False}, 1.0),
    "unweighted": ([{"loss": loss(9.0), "unweighted_loss": loss(2.0)}], {"accumulate": 2}, 2.0),
    "unweighted is no tensor": ([{"loss": loss(9.0), "unweighted_loss": 2.0}], {}, 9.0),
    "no batch": ([], {}, None),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_mean_of_the_losses_of_all_batches(case):
    outputs, settings, mean = OUTPUTS[case]
    assert mean_loss(outputs, **settings) == mean


def test_losses_are_kept_without_their_graph():
    monitor = monitor_of_a_fit()
    monitor.on_train_batch_end(trainer_at(4), OneWeight(), loss(1.0), None, 0)
    assert not monitor.state["losses"][0].requires_grad


@pytest.mark.parametrize(
    ("output", "automatic"), [(1.5, True), ({"loss": 1.5}, True), (None, False)]
)
def test_an_output_without_a_loss_is_refused(output, automatic):
    message = r"TrainingLossMonitor needs a loss from OneWeight\.training_step: a tensor, or a dict"
    with pytest.raises(TypeError, match=message):
        mean_loss([output], automatic=automatic)


def test_a_validation_logs_the_mean_and_starts_a_new_one():
    monitor, recorder = monitor_of_a_fit(), Recorder()
    for step, value in ((4, 1.0), (6, 3.0)):
        trainer = trainer_at(step, loggers=[recorder])
        monitor.on_train_batch_end(trainer, OneWeight(), loss(value), None, 0)
        monitor.on_validation_start(trainer, OneWeight())
    assert {step: line["train/loss"] for step, line in recorder.lines.items()} == {4: 1, 6: 3}


@pytest.mark.parametrize("case", OUTSIDE_OF_A_FIT)
def test_a_validation_outside_of_training_starts_no_new_mean(case):
    monitor = monitor_of_a_fit()
    monitor.on_train_batch_end(trainer_at(4), OneWeight(), loss(1.0), None, 0)
    monitor.on_validation_start(trainer_at(4, **OUTSIDE_OF_A_FIT[case]), OneWeight())
    assert len(monitor.state["losses"]) == 1


def test_learning_rate_is_the_largest_of_the_groups():
    monitor = monitor_of_a_fit()
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    groups = [{"params": [w], "lr": lr} for w, lr in zip(weights, (0.5, 2.0, 1.0), strict=True)]
    monitor.on_before_optimizer_step(trainer_at(), OneWeight(), torch.optim.SGD(groups))
    monitor.on_train_batch_end(trainer_at(4), OneWeight(), loss(1.0), None, 0)
    assert monitor.measure(trainer_at(4), OneWeight())["train/lr"] == 2.0


def test_learning_rate_before_the_first_step_is_nan():
    monitor = monitor_of_a_fit()
    monitor.on_train_batch_end(trainer_at(0), OneWeight(), loss(1.0), None, 0)
    assert math.isnan(monitor.measure(trainer_at(0), OneWeight())["train/lr"])


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


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"loss": x}], ids=["tensor", "dict"])
def test_training_loss_is_the_mean_since_the_last_validation(tiny_bert, wrap):
    """There are 8 steps with validations after 4 and 8, so step 5 starts a new mean."""
    module = KnownLoss(tiny_bert)
    module.wrap = wrap
    losses = losses_by_step(module)
    assert losses == {1: 1, 2: 1.5, 3: 2, 4: 2.5, 5: 5, 8: 6.5}


@pytest.mark.slow
def test_training_loss_is_undivided_under_accumulation(tiny_bert):
    """Lightning divides it by the number of micro-batches."""
    losses = losses_by_step(KnownLoss(tiny_bert), accumulate_grad_batches=2)
    assert losses[2] == 2.5


@pytest.mark.slow
def test_a_loss_without_weights_is_preferred(tiny_bert):
    module = KnownLoss(tiny_bert)
    module.wrap = lambda loss: {"loss": loss * 0.5, "unweighted_loss": loss}
    assert losses_by_step(module)[4] == 2.5


@pytest.mark.slow
def test_a_skipped_batch_does_not_count(tiny_bert):
    module = KnownLoss(tiny_bert)
    module.wrap = lambda loss: loss if len(module.batches) != 2 else None
    losses = losses_by_step(module, evaluations=1)
    assert losses[3] == 2  # (1 + 3) / 2


@pytest.mark.slow
def test_a_training_step_without_a_loss_is_refused(tiny_bert):
    class Manual(ForeignModule):
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.optimizers().step()

    with pytest.raises(TypeError, match=r"needs a loss from Manual\.training_step: a tensor, or"):
        fit_foreign(Manual(tiny_bert), [TrainingLossMonitor()], max_epochs=1)


@pytest.mark.slow
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
