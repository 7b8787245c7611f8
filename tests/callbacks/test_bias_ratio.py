"""The measured bias ratio, per layer."""

import pytest
import torch

from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.models.location import layers
from stablebert.optim.adam import BertAdam
from stablebert.optim.bias_ratio import analytic_bias_ratio

LAYERS = ("embeddings", "layer_00", "layer_01", "pooler", "classifier")


def test_there_is_no_bias_ratio_before_the_first_step(bert):
    assert measure_bias_ratio(BertAdam(bert.parameters(), lr=0.0), layers(bert)) == {}


@pytest.fixture(params=[True, False])
def measured(bert, request):
    """Measurements after each of 14 steps, with and without bias correction, eps negligible."""
    layers_by_name = layers(bert.double())
    optimizer = BertAdam(bert.parameters(), lr=0.0, eps=1e-30, bias_correction=request.param)
    rng = torch.Generator().manual_seed(0)
    results = {}
    for step in range(1, 15):
        for p in bert.parameters():
            p.grad = torch.randn(p.shape, generator=rng, dtype=torch.float64)
        optimizer.step()
        results[step] = measure_bias_ratio(optimizer, layers_by_name)
    return results


def test_bias_ratio_of_every_layer_follows_the_closed_form(measured):
    """Figure 1: 3.16 at the first step, 6.57 at the peak, whichever update is applied."""
    for step, metrics in measured.items():
        expected = analytic_bias_ratio(step, (0.9, 0.999))
        assert metrics["bias_ratio/analytic"] == expected
        for name in (*LAYERS, "all"):
            assert metrics[f"bias_ratio/{name}"] == pytest.approx(expected, rel=1e-5), (step, name)


def test_a_negligible_eps_dominates_nowhere(measured):
    assert {measured[14][f"eps_share/{name}"] for name in (*LAYERS, "all")} == {0}


def test_the_norm_over_all_combines_those_of_the_layers(measured):
    total = sum(measured[14][f"update_biased/{name}"] ** 2 for name in LAYERS)
    assert measured[14]["update_biased/all"] == pytest.approx(total**0.5)


@pytest.fixture
def dominated(bert):
    """Measurements after one step of torch's Adam with eps 1, gradients 0.5 and unused words."""
    optimizer = torch.optim.Adam(bert.parameters(), lr=0.0, eps=1.0)
    for p in bert.parameters():
        p.grad = torch.full_like(p, 0.5)
    bert.bert.embeddings.word_embeddings.weight.grad[5:] = 0
    optimizer.step()
    return measure_bias_ratio(optimizer, layers(bert))


BIASED, CORRECTED = 0.05 / (0.5 * 0.001**0.5 + 1), 0.5 / (0.5 + 1)


def test_share_of_parameters_where_eps_dominates_is_reported(dominated):
    """√v = 0.5 √0.001 < ε, also where √v̂ = 0.5 would not be far below (docs/pitfalls.md, 28)."""
    assert dominated["eps_share/all"] == 1.0


def test_bias_ratio_of_torch_s_own_adam_and_where_eps_dominates(dominated):
    assert dominated["bias_ratio/all"] == pytest.approx(BIASED / CORRECTED, rel=1e-5)


def test_words_without_a_gradient_do_not_count(bert, dominated):
    element_count = sum(p.numel() for p in bert.parameters())
    element_count -= bert.bert.embeddings.word_embeddings.weight[5:].numel()
    assert dominated["update_biased/all"] == pytest.approx(BIASED * element_count**0.5, rel=1e-5)
