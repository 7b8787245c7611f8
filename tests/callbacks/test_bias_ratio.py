"""The measured bias ratio, per layer."""

import pytest
import torch
from torch import nn

from stablebert.callbacks import BiasRatioMonitor
from stablebert.callbacks.bias_ratio import measure_bias_ratio
from stablebert.models.location import layers
from stablebert.optim.adam import BertAdam
from stablebert.optim.bias_ratio import analytic_bias_ratio
from tests.helpers.optimizers import CORRECTIONS
from tests.helpers.trainers import Holder, trainer_at

LAYERS = ("embeddings", "layer_00", "layer_01", "pooler", "classifier")


def test_there_is_no_bias_ratio_before_the_first_step(bert):
    assert measure_bias_ratio(BertAdam(bert.parameters(), lr=0.0), layers(bert)) == {}


@pytest.fixture(params=CORRECTIONS)
def measured(bert, request):
    """Measurements after each of 14 steps with each bias correction, eps negligible."""
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


@pytest.fixture
def linear():
    """Four weights and an Adam with eps 1."""
    layer = nn.Linear(4, 1, bias=False)
    return layer, torch.optim.Adam(layer.parameters(), lr=0.0, eps=1.0)


def measure_after_gradient(layer, optimizer, gradient):
    layer.weight.grad = torch.full_like(layer.weight, gradient)
    optimizer.step()
    return measure_bias_ratio(optimizer, {"classifier": layer})


def test_norms_of_both_updates_are_hand_computed_ones(linear):
    """Four elements, so twice the update of one."""
    metrics = measure_after_gradient(*linear, gradient=0.5)
    assert metrics["update_biased/classifier"] == pytest.approx(2 * BIASED, rel=1e-5)
    assert metrics["update_corrected/classifier"] == pytest.approx(2 * CORRECTED, rel=1e-5)


def test_without_any_gradient_the_ratio_is_one_and_eps_dominates_nowhere(linear):
    metrics = measure_after_gradient(*linear, gradient=0.0)
    assert metrics["bias_ratio/classifier"] == 1.0
    assert metrics["eps_share/classifier"] == 0.0


def test_share_of_eps_is_one_of_the_words_with_a_gradient(linear):
    """√v = 0.001^0.5 g exceeds eps = 1 only for g = 64, one of three elements with a gradient."""
    layer, optimizer = linear
    layer.weight.grad = torch.tensor([[64.0, 0.5, 0.5, 0.0]])
    optimizer.step()
    metrics = measure_bias_ratio(optimizer, {"classifier": layer})
    assert metrics["eps_share/classifier"] == pytest.approx(2 / 3)


def test_a_frozen_layer_is_left_out_and_those_above_are_measured(linear):
    layer, optimizer = linear
    layer.weight.grad = torch.ones_like(layer.weight)
    optimizer.step()
    metrics = measure_bias_ratio(optimizer, {"layer.0": nn.Linear(2, 2), "layer.1": layer})
    assert {key for key in metrics if key.startswith("bias_ratio/")} == {
        *("bias_ratio/layer_01", "bias_ratio/all", "bias_ratio/analytic")
    }


def test_every_layer_is_measured_with_the_betas_and_eps_of_its_group():
    layers_by_name = {name: nn.Linear(1, 1, bias=False) for name in ("layer.0", "layer.1")}
    groups = [
        {"params": layers_by_name["layer.0"].parameters(), "betas": (0.9, 0.999), "eps": 1e-30},
        {"params": layers_by_name["layer.1"].parameters(), "betas": (0.5, 0.75), "eps": 1e-30},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.0)
    for layer in layers_by_name.values():
        layer.weight.grad = torch.ones_like(layer.weight)
    optimizer.step()
    metrics = measure_bias_ratio(optimizer, layers_by_name)
    ratios = [metrics[f"bias_ratio/layer_{i:02d}"] for i in range(2)]
    assert ratios == pytest.approx([0.1 / 0.001**0.5, 0.5 / 0.25**0.5], rel=1e-5)


@pytest.fixture
def started(bert):
    """Function that starts a monitor with optimizers of the model's parameters."""

    def start(*optimizers, encoder=None):
        module, monitor = Holder(model=bert, other=bert.bert), BiasRatioMonitor(encoder=encoder)
        trainer = trainer_at(optimizers=list(optimizers))
        monitor.setup(trainer, module, "fit")
        monitor.on_train_start(trainer, module)
        return monitor.measure(trainer, module)

    return start


def test_the_first_optimizer_is_measured(bert, started):
    first, second = (torch.optim.Adam(bert.parameters(), lr=0.0) for _ in range(2))
    for p in bert.parameters():
        p.grad = torch.ones_like(p)
    first.step()
    assert started(first, second)["bias_ratio/all"] == pytest.approx(10**0.5, rel=1e-4)


@pytest.mark.parametrize("kind", ["no optimizer", "SGD"])
def test_another_optimizer_is_refused(bert, started, kind):
    optimizers = [torch.optim.SGD(bert.parameters())] * (kind == "SGD")
    message = f"^BiasRatioMonitor needs Adam, AdamW or BertAdam; got {kind}$"
    with pytest.raises(TypeError, match=message):
        started(*optimizers)


def test_an_optimizer_of_other_parameters_is_refused(started):
    optimizer = torch.optim.Adam(nn.Linear(2, 2).parameters())
    with pytest.raises(TypeError, match="first optimizer, which has no parameter of the model"):
        started(optimizer)


def test_a_monitor_of_an_unknown_encoder_is_refused(bert, started):
    with pytest.raises(ValueError, match=r"^BiasRatioMonitor: encoder='student'"):
        started(torch.optim.Adam(bert.parameters()), encoder="student")
