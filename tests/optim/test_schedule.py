"""The learning-rate schedule, with Hugging Face's as reference."""

import pytest
import torch
from torch import nn

from stablebert.optim.schedule import linear_warmup, warmup_scheduler


@pytest.mark.parametrize("total", [1, 7, 20, 234, 96])
def test_schedule_equals_that_of_hugging_face(total):
    from transformers import get_linear_schedule_with_warmup

    ours = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=2e-5)
    theirs = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=2e-5)
    a = warmup_scheduler(ours, total=total, warmup=0.1)
    b = get_linear_schedule_with_warmup(theirs, int(0.1 * total), total)
    for _ in range(total + 1):
        rate, expected = ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"]
        assert rate == pytest.approx(expected, rel=1e-12, abs=1e-18)
        for optimizer, scheduler in ((ours, a), (theirs, b)):
            optimizer.step()
            scheduler.step()


@pytest.mark.parametrize(("step", "factor"), [(0, 0.0), (23, 1.0), (234, 0.0)])
def test_the_first_update_has_rate_zero_and_the_peak_is_after_a_tenth(step, factor):
    assert linear_warmup(step, total=234, warmup=0.1) == factor


def test_trainings_under_ten_steps_have_no_warm_up():
    assert linear_warmup(0, total=5, warmup=0.1) == 1.0


@pytest.mark.parametrize("total", [7, 20, 96])
def test_a_constant_rate_is_that_of_the_step_where_it_begins(total):
    factors = [linear_warmup(step, total=total, warmup=0.1) for step in range(total)]
    first = int(0.6 * total)
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = warmup_scheduler(optimizer, total=total, warmup=0.1, constant_from=0.6)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == [*factors[:first], *[factors[first]] * (total - first)]


def test_a_rate_that_is_constant_from_the_end_is_not_constant():
    plain = [linear_warmup(step, total=96, warmup=0.1) for step in range(98)]
    assert plain == [
        linear_warmup(step, total=96, warmup=0.1, constant_from=1.0) for step in range(98)
    ]
