"""Validation after fixed fractions of the training."""

import sys
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from stablebert.callbacks import StopAfter, ValidationSchedule
from stablebert.callbacks.validation import planned_steps, validation_steps
from tests.helpers.foreign import SETTINGS, ForeignModule, fit_foreign, foreign_loader
from tests.helpers.trainers import OUTSIDE_OF_A_FIT, OneWeight, trainer_at

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
    with pytest.raises(ValueError, match="evaluations=0: must be at least 1"):
        ValidationSchedule(0)


def test_a_schedule_of_one_validation_is_allowed():
    assert ValidationSchedule(1).evaluations == 1


def planning_trainer(step=0, *, batches=None, **attributes):
    """A Trainer of 12 steps that a `ValidationSchedule` accepts, after some steps and batches."""
    batches = step if batches is None else batches
    defaults = {
        "estimated_stepping_batches": 12.0,
        "max_steps": -1,
        "max_epochs": 3,
        "num_training_batches": 4,
        "fast_dev_run": 0,
        "val_check_interval": 1,
        "check_val_every_n_epoch": None,
        "should_stop": False,
        "fit_loop": SimpleNamespace(total_batch_idx=batches - 1),
    }
    return trainer_at(step, **defaults | attributes)


def manual_module():
    module = OneWeight()
    module.automatic_optimization = False
    return module


PLANS = {
    "epochs": (OneWeight, {}),
    "steps": (OneWeight, {"max_steps": 12}),
    "manual": (manual_module, {}),
    "manual smoke test": (manual_module, {"max_steps": 12, "fast_dev_run": 12}),
}


@pytest.mark.parametrize("case", PLANS)
def test_planned_steps_are_a_whole_number(case):
    module, attributes = PLANS[case]
    steps = planned_steps(planning_trainer(**attributes), module(), "Test")
    assert (steps, type(steps)) == (12, int)


@pytest.mark.parametrize("total", [float("inf"), -1])
def test_an_unknown_number_of_steps_is_refused(total):
    message = (
        "^Test needs a Trainer that knows the number of its steps; got max_steps=-1, max_epochs=3, "
        "and 4 batches per epoch: set max_steps$"
    )
    with pytest.raises(ValueError, match=message):
        planned_steps(planning_trainer(estimated_stepping_batches=total), OneWeight(), "Test")


def test_steps_of_a_manual_optimization_are_refused():
    message = "^Test: OneWeight optimizes manually.* for max_steps=12, .*: set max_epochs instead$"
    with pytest.raises(ValueError, match=message):
        planned_steps(planning_trainer(max_steps=12), manual_module(), "Test")


def scheduled(evaluations=3, step=0, state=(), **attributes):
    """A schedule that was started at a step, of validations after steps 4, 8 and 12."""
    schedule = ValidationSchedule(evaluations)
    schedule.setup(trainer_at(), OneWeight(), "fit")
    schedule.load_state_dict(dict(state))
    schedule.on_train_start(planning_trainer(step, **attributes), OneWeight())
    return schedule


def due_after(schedule, steps, module=None):
    """Return the steps, in the order of batches, after which the Trainer would validate."""
    due = []
    for step in steps:
        trainer = planning_trainer(step)
        schedule.on_train_batch_end(trainer, module or OneWeight(), None, None, 0)
        assert trainer.val_check_batch in (1, sys.maxsize)
        due += [step] * (trainer.val_check_batch == 1)
    return due


def test_a_trainer_validates_after_its_steps_only():
    assert due_after(scheduled(), range(1, 13)) == [4, 8, 12]


def test_a_step_of_several_batches_is_validated_once():
    assert due_after(scheduled(), [3, 4, 4, 5, 8, 8]) == [4, 8]


def test_a_resumed_schedule_omits_the_steps_before():
    assert due_after(scheduled(step=4), [4, 5, 8, 12]) == [8, 12]


@pytest.mark.parametrize("settings", [{"val_check_interval": 0.5}, {"check_val_every_n_epoch": 1}])
def test_other_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"got val_check_interval=.*, check_val_every_n_epoch="):
        scheduled(**settings)


def test_a_smoke_test_may_have_other_settings():
    schedule = scheduled(fast_dev_run=12, val_check_interval=1.0, check_val_every_n_epoch=1)
    assert due_after(schedule, [3, 4]) == [4]


MISSED = "model.ckpt was saved before the validation that was due after step 4"


@pytest.mark.parametrize(
    ("step", "path", "validated_at", "reported"),
    [
        (4, "model.ckpt", 0, True),
        (4, "model.ckpt", 4, False),
        (5, "model.ckpt", 4, False),
        (4, None, 0, False),
    ],
)
def test_a_missed_validation_is_reported(caplog, step, path, validated_at, reported):
    scheduled(step=step, state={"validated_at": validated_at}, ckpt_path=path)
    assert (MISSED in caplog.text) == reported


def test_the_step_of_the_last_validation_is_saved():
    schedule = scheduled()
    schedule.on_validation_end(planning_trainer(8), OneWeight())
    assert schedule.state_dict() == {"validated_at": 8}


@pytest.mark.parametrize("case", OUTSIDE_OF_A_FIT)
def test_a_validation_outside_of_training_is_not_saved(case):
    schedule = scheduled()
    schedule.on_validation_end(planning_trainer(8, **OUTSIDE_OF_A_FIT[case]), OneWeight())
    assert schedule.state_dict() == {"validated_at": 0}


def test_batches_are_counted_under_manual_optimization():
    """`global_step` counts the steps of both optimizers."""
    schedule, module = scheduled(), manual_module()
    trainer = planning_trainer(8, batches=4)
    schedule.on_train_batch_end(trainer, module, None, None, 0)
    schedule.on_validation_end(trainer, module)
    assert (trainer.val_check_batch, schedule.state_dict()) == (1, {"validated_at": 4})


FRACTIONS = [(1.0, 3, 12), (0.99, 3, 8), (2 / 3, 3, 8), (0.5, 3, 4), (0.1, 3, 4), (0.5, 2, 6)]


@pytest.mark.parametrize(("fraction", "evaluations", "last"), FRACTIONS)
def test_the_last_validation_within_the_fraction_stops_training(fraction, evaluations, last):
    stop, stops = StopAfter(fraction, evaluations), []
    stop.on_train_start(planning_trainer(), OneWeight())
    for step in range(1, 13):
        trainer = planning_trainer(step)
        stop.on_validation_end(trainer, OneWeight())
        stops += [step] * trainer.should_stop
    assert stops == list(range(last, 13))


@pytest.mark.parametrize("case", OUTSIDE_OF_A_FIT)
def test_a_validation_outside_of_training_stops_nothing(case):
    stop = StopAfter(0.5, 3)
    stop.on_train_start(planning_trainer(), OneWeight())
    trainer = planning_trainer(12, **OUTSIDE_OF_A_FIT[case])
    stop.on_validation_end(trainer, OneWeight())
    assert not trainer.should_stop


def test_the_steps_of_the_whole_run_are_known_from_the_start():
    stop = StopAfter(0.5, 3)
    stop.on_train_start(planning_trainer(), OneWeight())
    assert stop.total == 12


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
