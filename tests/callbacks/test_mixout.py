"""Mixout against its formula, its mean and its derivative."""

import pytest
import torch
from torch import nn

from stablebert.callbacks import Mixout
from stablebert.callbacks.mixout import MixoutLinear, apply_mixout
from stablebert.models.loading import load_model
from stablebert.models.location import layers
from stablebert.models.surgery import has_dropout, reinitialize_top
from tests.helpers.architectures import SHAPES, padded_batch, write_architecture
from tests.helpers.trainers import Holder, trainer_at


def mixed(p, mask="neuron", *, away=True):
    """A float64 MixoutLinear of 4 to 3 whose weight is, or is not, away from its target."""
    torch.manual_seed(0)
    module = MixoutLinear(nn.Linear(4, 3).double(), p, mask)
    if away:
        with torch.no_grad():
            module.weight.add_(torch.randn_like(module.weight))
    return module


@pytest.mark.parametrize("mask", ["neuron", "weight"])
def test_mixout_is_the_papers_formula(mask):
    """[(1-M) u + M w - p u] / (1-p), with the mask read off the effective weight."""
    p, module = 0.3, mixed(0.3, mask)
    w, u = module.weight.detach(), module.target
    for _ in range(20):
        effective = (module(torch.eye(4).double()) - module.bias).T.detach()
        on = (effective - u).abs() > 1e-9
        m = on.double()
        torch.testing.assert_close(effective, ((1 - m) * u + m * w - p * u) / (1 - p))
        if mask == "neuron":  # all weights that leave an input share its draw
            assert (on == on[:1]).all()


@pytest.mark.parametrize("mask", ["neuron", "weight"])
def test_mixout_is_unbiased(mask):
    """The mean over draws is the weight itself, within five standard errors of each element."""
    p, n, module = 0.7, 4000, mixed(0.7, mask)
    with torch.no_grad():
        mean = (
            torch.stack([module(torch.eye(4).double()) - module.bias for _ in range(n)]).mean(0).T
        )
    error = (module.weight - module.target).abs() * (p / (1 - p) / n) ** 0.5
    assert ((mean - module.weight).abs() < 5 * error).all()


@pytest.mark.parametrize("mask", ["neuron", "weight"])
def test_mixout_gradient_is_the_true_derivative(mask):
    """By weight, bias and input under a fixed mask: M / (1-p), unlike the released code."""
    module = mixed(0.4, mask)

    def f(x, weight, bias):
        torch.manual_seed(3)
        return torch.func.functional_call(module, {"weight": weight, "bias": bias}, (x,))

    inputs = (torch.randn(5, 4).double(), module.weight.detach(), module.bias.detach())
    assert torch.autograd.gradcheck(f, tuple(t.clone().requires_grad_() for t in inputs))


def test_mixout_at_the_target_is_a_plain_linear():
    """Where weight and target agree every mask gives the same: the fixed point."""
    module, x = mixed(0.9, away=False), torch.randn(5, 4).double()
    torch.testing.assert_close(module(x), nn.functional.linear(x, module.weight, module.bias))


def test_mixout_of_a_linear_without_bias_has_none():
    module, x = MixoutLinear(nn.Linear(4, 3, bias=False), 0.5), torch.randn(5, 4)
    torch.testing.assert_close(module(x), nn.functional.linear(x, module.weight))


def test_building_mixout_draws_no_random_number():
    """A draw would shift every later one of the run."""
    linear, before = nn.Linear(4, 3), torch.get_rng_state()
    MixoutLinear(linear, 0.5)
    assert torch.equal(torch.get_rng_state(), before)


def test_mixout_in_evaluation_is_the_trained_weight():
    module, x = mixed(0.9).eval(), torch.randn(5, 4).double()
    assert torch.equal(module(x), nn.functional.linear(x, module.weight, module.bias))


def test_mixout_replaces_every_linear_except_the_classifier(bert):
    names = {n for n, m in bert.named_modules() if isinstance(m, nn.Linear)} - {"classifier"}
    assert set(apply_mixout(bert, p=0.5)) == names
    assert len(names) == 2 * 6 + 1  # two blocks and the pooler
    assert type(bert.classifier) is nn.Linear


@pytest.mark.parametrize("mask", ["neuron", "weight"])
def test_every_replaced_linear_has_the_probability_and_the_mask(bert, mask):
    names = apply_mixout(bert, p=0.25, mask=mask)
    linears = [bert.get_submodule(name) for name in names]
    assert {(linear.p, linear.mask) for linear in linears} == {(0.25, mask)}


def test_a_bare_encoder_is_mixed(bert):
    assert len(apply_mixout(bert.bert, p=0.5)) == 2 * 6 + 1


def test_a_probability_of_zero_trains_with_the_weight_itself(bert):
    apply_mixout(bert, p=0.0)
    query, x = bert.bert.encoder.layer[0].attention.self.query, torch.randn(5, 16)
    with torch.no_grad():
        query.weight.add_(1.0)
    torch.testing.assert_close(query(x), nn.functional.linear(x, query.weight, query.bias))


def test_mixout_disables_dropout(bert):
    assert has_dropout(bert)
    apply_mixout(bert, p=0.5)
    assert not has_dropout(bert)


def test_mixout_shares_the_parameters_and_adds_nothing_to_checkpoints(bert):
    before, keys = dict(bert.named_parameters()), list(bert.state_dict())
    apply_mixout(bert, p=0.5)
    assert all(p is before[name] for name, p in bert.named_parameters())
    assert list(bert.state_dict()) == keys


def test_mixout_after_reinit_mixes_with_the_new_start(bert):
    reinitialize_top(bert, num_layers=1, seed=1)
    apply_mixout(bert, p=0.5)
    query = bert.bert.encoder.layer[1].attention.self.query
    assert torch.equal(query.target, query.weight)


@pytest.mark.parametrize(
    ("settings", "message"), [({"p": 1.0}, r"p=1\.0"), ({"p": 0.1, "mask": "row"}, "mask='row'")]
)
def test_a_setting_out_of_range_is_refused(bert, settings, message):
    with pytest.raises(ValueError, match=message):
        apply_mixout(bert, **settings)


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "xlnet"])
def test_mixout_does_not_change_an_untrained_model(tiny_bert, tmp_path, kind):
    write_architecture(kind, tmp_path, tiny_bert)
    model, batch = load_model(tmp_path, num_labels=2, seed=0), padded_batch(9, 5)
    plain = model.eval()(**batch).logits
    apply_mixout(model, p=0.5)
    torch.testing.assert_close(model.train()(**batch).logits, plain)


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if kind != "xlnet"])
def test_mixout_draws_masks_when_weights_have_moved(tiny_bert, tmp_path, kind):
    write_architecture(kind, tmp_path, tiny_bert)
    model, batch = load_model(tmp_path, num_labels=2, seed=0), padded_batch(9, 5)
    apply_mixout(model, p=0.5)
    with torch.no_grad():
        for p in layers(model)["layer.0"].parameters():
            p.add_(torch.randn_like(p) * 0.1)
    assert not torch.equal(model(**batch).logits, model(**batch).logits)


def test_weights_outside_any_linear_are_refused(tiny_bert, tmp_path):
    write_architecture("xlnet", tmp_path, tiny_bert)
    model = load_model(tmp_path, num_labels=2, seed=0)
    with pytest.raises(ValueError, match=r"layer\.0\..*, a XLNet\w+, keeps weights outside any"):
        apply_mixout(model, p=0.5)


class TestMixoutTargets:
    QUERY = "bert.encoder.layer.0.attention.self.query"

    @pytest.fixture
    def mixed(self, bert):
        """A callback and a model whose weights have moved by 1 since the start."""
        mixout, module = Mixout(0.3, "weight"), Holder(model=bert)
        mixout.setup(trainer_at(), module, "fit")
        with torch.no_grad():
            bert.get_submodule(self.QUERY).weight.add_(1.0)
        return mixout, module

    def test_probability_and_mask_are_those_of_the_callback(self, mixed):
        query = mixed[1].model.get_submodule(self.QUERY)
        assert (query.p, query.mask) == (0.3, "weight")

    def test_targets_are_saved_with_checkpoints(self, mixed):
        mixout, module = mixed
        mixout.on_train_start(trainer_at(), module)
        target = module.model.get_submodule(self.QUERY).target
        assert mixout.state_dict()["targets"][self.QUERY] is target
        assert mixout.state_dict()["targets"].keys() == set(mixout.modules)

    def test_targets_of_a_checkpoint_replace_the_current_ones(self, mixed):
        mixout, module = mixed
        query = module.model.get_submodule(self.QUERY)
        mixout.load_state_dict({"targets": {self.QUERY: torch.full_like(query.weight, 5.0)}})
        mixout.on_train_start(trainer_at(), module)
        assert query.target.eq(5.0).all()

    def test_dropout_is_off(self, mixed):
        rates = {m.p for m in mixed[1].modules() if isinstance(m, nn.Dropout)}
        assert rates == {0.0}
