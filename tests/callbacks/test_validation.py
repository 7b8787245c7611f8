"""Validation after fixed fractions of the training."""

import pytest
import torch

from stablebert.callbacks import StopAfter, ValidationSchedule
from stablebert.callbacks.validation import validation_steps
from tests.helpers.foreign import ForeignModule, fit_foreign

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
