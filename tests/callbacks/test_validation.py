"""Validation after fixed fractions of the training."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from stablebert.callbacks import StopAfter, ValidationSchedule
from stablebert.callbacks.validation import validation_steps
from tests.helpers.foreign import SETTINGS, ForeignModule, fit_foreign, foreign_loader

RELEASED = {
    # eleven validations where ten does not divide the total
    234: [*range(23, 231, 23), 234],
    345: [*range(34, 341, 34), 345],
    540: list(range(54, 541, 54)),
    804: [*range(80, 801, 80), 804],
    96: [*range(9, 91, 9), 96],
    200: list(range(20, 201, 20)),
    # under ten steps, after each one (docs/pitfalls.md, 23)
    7: [1, 2, 3, 4, 5, 6, 7],
    1: [1],
}


@pytest.mark.parametrize("total", RELEASED)
def test_validation_steps_are_the_released_ones(total):
    assert validation_steps(total) == RELEASED[total]


def test_a_schedule_without_validations_is_refused():
    with pytest.raises(ValueError, match="evaluations=0: at least 1"):
        ValidationSchedule(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "accumulate", "total"),
    [(32, 1, 24), (30, 1, 24), (32, 2, 12), (30, 3, 9), (28, 2, 12), (4, 1, 3), (4, 4, 3)],
)
def test_validates_at_exactly_those_optimizer_steps(tiny_bert, rows, accumulate, total):
    """Not per epoch, exact under accumulation, with the last step (docs/pitfalls.md, 3, 9, 23)."""
    module = ForeignModule(tiny_bert)
    schedule = ValidationSchedule()
    trainer = fit_foreign(module, [schedule], rows=rows, accumulate_grad_batches=accumulate)
    assert trainer.global_step == total
    assert module.validated == validation_steps(total)


@pytest.mark.slow
@pytest.mark.parametrize("max_steps", [1, 7, 20])
def test_validates_by_steps_when_epochs_do_not_end(tiny_bert, max_steps):
    module = ForeignModule(tiny_bert)
    fit_foreign(module, [ValidationSchedule()], max_steps=max_steps, max_epochs=-1)
    assert module.validated == validation_steps(max_steps)


@pytest.mark.parametrize("setting", [{"check_val_every_n_epoch": 1}, {"val_check_interval": 0.5}])
def test_a_trainer_with_its_own_schedule_is_refused(tiny_bert, setting):
    settings = {"check_val_every_n_epoch": 1} | setting
    with pytest.raises(ValueError, match=r"needs Trainer\(val_check_interval=1"):
        fit_foreign(ForeignModule(tiny_bert), [ValidationSchedule()], **settings)


@pytest.mark.slow
def test_validating_changes_nothing_that_training_computes(tiny_bert):
    """The number of validations must not shift the data order (docs/pitfalls.md, 4)."""
    runs = []
    for evaluations in (1, 10):
        torch.manual_seed(0)
        module = ForeignModule(tiny_bert)
        fit_foreign(module, [ValidationSchedule(evaluations)])
        runs.append(module)
    few, many = runs
    assert len(few.validated) < len(many.validated)
    assert few.batches == many.batches
    assert all(torch.equal(p, q) for p, q in zip(few.parameters(), many.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("fraction", "last"), [(0.5, 12), (0.6, 12), (0.1, 6), (1, 24)])
def test_training_stops_at_the_last_validation_within_the_fraction(tiny_bert, fraction, last):
    """Validations of the 24 steps are after 6, 12, 18 and 24; training never stops before 6."""
    callbacks = [ValidationSchedule(4), StopAfter(fraction, 4)]
    trainer = fit_foreign(ForeignModule(tiny_bert), callbacks)
    assert trainer.global_step == last
    assert callbacks[1].total == 24


class TwoOptimizers(ForeignModule):
    """Module that optimizes manually and steps twice per batch, like a GAN."""

    automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.positions = [*getattr(self, "positions", []), batch_idx]
        for optimizer in self.optimizers():
            loss = super().training_step(batch, batch_idx)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return loss

    def on_validation_epoch_end(self):
        self.log("val/score", 0.5)
        self.validated.append(len(self.positions))

    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)]


@pytest.mark.slow
def test_with_two_optimizers_validations_are_spread_over_the_batches(tiny_bert):
    """`global_step` adds up the steps of both, so all were in the first half of training."""
    module = TwoOptimizers(tiny_bert)
    trainer = fit_foreign(module, [ValidationSchedule(4)])
    assert trainer.global_step == 48
    assert module.validated == [6, 12, 18, 24]


@pytest.mark.slow
def test_a_fraction_of_a_training_with_two_optimizers_is_one_of_batches(tiny_bert):
    module = TwoOptimizers(tiny_bert)
    fit_foreign(module, [ValidationSchedule(4), StopAfter(0.5, 4)])
    assert module.validated == [6, 12]


class Endless(torch.utils.data.IterableDataset):
    """Rows without a length."""

    def __iter__(self):
        yield from foreign_loader(32, 4).dataset


UNKNOWN_LENGTHS = {
    "no end": (ForeignModule, {"max_epochs": -1}, r"got max_steps=-1, max_epochs=-1, .*set max_st"),
    "no length": (ForeignModule, {"max_epochs": 3}, "max_epochs=3, and inf batches per epoch"),
    "manual": (
        TwoOptimizers,
        {"max_steps": 8},
        r"TwoOptimizers optimizes manually.*max_steps=8.*set max_epochs instead",
    ),
}


@pytest.mark.parametrize("callback", [ValidationSchedule(2), StopAfter(0.5, 2)])
@pytest.mark.parametrize("case", UNKNOWN_LENGTHS)
def test_a_training_of_unknown_length_is_refused(tiny_bert, case, callback):
    module, settings, message = UNKNOWN_LENGTHS[case]
    rows = Endless() if case == "no length" else foreign_loader(32, 4).dataset
    trainer = L.Trainer(callbacks=[callback], **SETTINGS | settings)
    with pytest.raises(ValueError, match=f"{type(callback).__name__}.*{message}"):
        trainer.fit(module(tiny_bert), DataLoader(rows, 4), foreign_loader(8, 8))


@pytest.mark.slow
def test_data_without_a_length_is_validated_by_steps(tiny_bert):
    module = ForeignModule(tiny_bert)
    trainer = L.Trainer(callbacks=[ValidationSchedule(4)], **SETTINGS | {"max_steps": 20})
    trainer.fit(module, DataLoader(Endless(), 4), foreign_loader(8, 8))
    assert module.validated == [5, 10, 15, 20]


@pytest.mark.slow
def test_part_of_an_epoch_is_the_whole_training_if_the_trainer_says_so(tiny_bert):
    module = ForeignModule(tiny_bert)
    fit_foreign(module, [ValidationSchedule(2)], limit_train_batches=2)
    assert module.validated == [3, 6]


@pytest.mark.slow
def test_several_loaders_are_one_batch_per_step(tiny_bert):
    class Combined(ForeignModule):
        def training_step(self, batches, batch_idx):
            return sum(super(Combined, self).training_step(b, batch_idx) for b in batches)

    module = Combined(tiny_bert)
    trainer = L.Trainer(callbacks=[ValidationSchedule(2)], **SETTINGS | {"max_epochs": 1})
    trainer.fit(module, [foreign_loader(32, 4), foreign_loader(16, 4)], foreign_loader(8, 8))
    assert module.validated == [4, 8]


@pytest.mark.slow
def test_a_training_that_a_time_limit_ends_is_validated_at_its_end(tiny_bert):
    class Late(ForeignModule):
        def training_step(self, batch, batch_idx):
            if self.trainer.global_step == 4:
                self.trainer.should_stop = True  # as Lightning's Timer does at `max_time`
            return super().training_step(batch, batch_idx)

    module = Late(tiny_bert)
    fit_foreign(module, [ValidationSchedule(2)])
    assert module.validated == [5]


@pytest.mark.slow
def test_a_fast_run_for_development_validates_once_at_its_end(tiny_bert):
    module = ForeignModule(tiny_bert)
    fit_foreign(module, [ValidationSchedule(), StopAfter(1.0)], fast_dev_run=2)
    assert module.validated[-1] == 2
