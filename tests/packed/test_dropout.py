"""Dropout masks: exact Bernoulli draws from a stream of their own."""

import numpy as np
import pytest
import torch
from scipy import stats

from stablebert.packed.dropout import DRAWS, DropoutMasks, dropout

RATES = [0.01, 0.1, 0.5, 0.9]
ELEMENTS, MASKS = 4000, 500


@pytest.fixture(scope="module", params=RATES)
def draws(request):
    """The rate, and 500 masks over 4000 elements as booleans."""
    p, masks = request.param, DropoutMasks(11)
    dropped = np.zeros((MASKS, ELEMENTS), bool)
    for row in dropped:
        row[masks.dropped_indices(ELEMENTS, p).numpy()] = True
    return p, dropped


def test_the_share_of_dropped_elements_is_the_rate(draws):
    p, dropped = draws
    assert abs(dropped.mean() - p) < 4.5 * (p * (1 - p) / dropped.size) ** 0.5


@pytest.mark.parametrize("element", [0, -1])
def test_the_first_and_the_last_element_are_dropped_like_others(draws, element):
    p, dropped = draws
    assert stats.binomtest(int(dropped[:, element].sum()), MASKS, p).pvalue > 1e-5


def test_every_element_is_dropped_equally_often(draws):
    p, dropped = draws
    statistic = ((dropped.sum(0) - MASKS * p) ** 2).sum() / (MASKS * p * (1 - p))
    assert 1e-5 < stats.chi2.sf(statistic, ELEMENTS) < 1 - 1e-5


def test_counts_vary_from_mask_to_mask_like_independent_draws(draws):
    p, dropped = draws
    dispersion = (MASKS - 1) * dropped.sum(1).var(ddof=1) / (ELEMENTS * p * (1 - p))
    assert 1e-5 < stats.chi2.sf(dispersion, MASKS - 1) < 1 - 1e-5


@pytest.mark.parametrize("neighbor", ["in the mask", "in the next mask"])
def test_neighbors_are_independent(draws, neighbor):
    p, x = draws
    a, b = (x[:, :-1], x[:, 1:]) if neighbor == "in the mask" else (x[:-1], x[1:])
    error = abs((a & b).sum() - a.size * p * p)
    assert error < 5 * (a.size * p * p * (1 - p * p) * 1.5) ** 0.5


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000])
def test_dropped_indices_are_ascending_and_in_range(n):
    masks = DropoutMasks(0)
    for _ in range(200):
        indices = masks.dropped_indices(n, 0.3)
        assert indices.dtype == torch.int64
        assert (indices.diff() > 0).all()
        assert not len(indices) or 0 <= indices[0] <= indices[-1] < n


@pytest.mark.parametrize("n", [DRAWS, 40 * DRAWS])
def test_the_rate_holds_for_masks_longer_than_what_is_drawn_at_once(n):
    dropped = len(DropoutMasks(3).dropped_indices(n, 0.1))
    assert abs(dropped - 0.1 * n) < 4.5 * (0.09 * n) ** 0.5


def test_masks_are_consecutive_parts_of_one_sequence():
    whole, masks = DropoutMasks(0).dropped_indices(30_000, 0.1), DropoutMasks(0)
    parts = [masks.dropped_indices(10_000, 0.1) + start for start in (0, 10_000, 20_000)]
    assert torch.equal(torch.cat(parts), whole)


def test_masks_of_two_rates_are_independent():
    masks = DropoutMasks(0)
    a, b = (masks.dropped_indices(100_000, p) for p in (0.1, 0.2))
    both = len(np.intersect1d(a, b))
    assert abs(both - 2000) < 4.5 * 2000**0.5


def test_dropout_scales_the_kept_elements():
    kept_or_dropped = set(dropout(torch.ones(10_000), 0.25, DropoutMasks(4)).tolist())
    assert kept_or_dropped == {0.0, torch.tensor(4 / 3).item()}


def test_the_seed_determines_the_masks():
    one, same, other = (dropout(torch.ones(10_000), 0.25, DropoutMasks(s)) for s in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_dropout_at_rate_zero_returns_its_input():
    x = torch.ones(3)
    assert dropout(x, 0.0, DropoutMasks(0)) is x


def test_gradient_of_dropout_is_its_derivative():
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: dropout(x, 0.3, DropoutMasks(7)), [x])


def test_dropout_draws_from_no_other_stream():
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    dropout(torch.ones(1000), 0.5, DropoutMasks(0))
    assert torch.equal(torch.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])


@pytest.mark.parametrize("draws_before", [0, 1, 3])
def test_masks_continue_from_their_state(draws_before):
    masks, resumed = DropoutMasks(5), DropoutMasks(6)
    for _ in range(draws_before):
        masks.dropped_indices(DRAWS, 0.5)
        masks.dropped_indices(1000, 0.1)
    resumed.load_state_dict(masks.state_dict())
    for n, p in [(3 * DRAWS, 0.5), (1000, 0.1), (7, 0.2)]:
        assert torch.equal(resumed.dropped_indices(n, p), masks.dropped_indices(n, p))
