"""Mixout, training a part, and the linear probe: each against its formula."""

import copy

import lightning as L
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from stablebert.callbacks import (
    BestWeights,
    LinearProbe,
    ReinitTopLayers,
    TrainPart,
    ValidationSchedule,
)
from stablebert.callbacks.linear_probe import fit_linear_head, head_inputs
from stablebert.callbacks.mixout import MixoutLinear, apply_mixout
from stablebert.callbacks.train_part import freeze_all_but
from stablebert.config.compose import compose
from stablebert.glue.datamodule import data_module
from stablebert.glue.sources import resolve
from stablebert.models.architectures import layers
from stablebert.models.loading import load_model
from stablebert.models.surgery import has_dropout, reinitialize_top, train_embedding_rows
from stablebert.tasks import TASKS
from stablebert.training.build import build_averaging
from stablebert.training.module import GlueClassifier


@pytest.fixture
def bert(tiny_bert):
    return load_model(tiny_bert, num_labels=2, seed=0)


def mixed(p, mask="neuron", *, away=True):
    """A float64 MixoutLinear of 4 to 3 whose weight is, or is not, away from its target."""
    torch.manual_seed(0)
    module = MixoutLinear(nn.Linear(4, 3).double(), p, mask)
    if away:
        with torch.no_grad():
            module.weight.add_(torch.randn_like(module.weight))
    return module


# ---------------------------------------------------------------- mixout


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


def test_mixout_in_evaluation_is_the_trained_weight():
    module, x = mixed(0.9).eval(), torch.randn(5, 4).double()
    assert torch.equal(module(x), nn.functional.linear(x, module.weight, module.bias))


def test_mixout_replaces_every_linear_but_the_classifiers(bert):
    names = {n for n, m in bert.named_modules() if isinstance(m, nn.Linear)} - {"classifier"}
    before, keys = dict(bert.named_parameters()), list(bert.state_dict())
    assert has_dropout(bert)
    assert set(apply_mixout(bert, p=0.5)) == names
    assert len(names) == 2 * 6 + 1  # two blocks and the pooler
    assert type(bert.classifier) is nn.Linear
    assert not has_dropout(bert)
    # the same parameters, and targets in no checkpoint
    assert all(p is before[n] for n, p in bert.named_parameters())
    assert list(bert.state_dict()) == keys


def test_mixout_after_reinit_mixes_with_the_new_start(bert):
    reinitialize_top(bert, num_layers=1, seed=1)
    apply_mixout(bert, p=0.5)
    query = bert.bert.encoder.layer[1].attention.self.query
    assert torch.equal(query.target, query.weight)


@pytest.mark.parametrize(
    ("wrong", "said"), [({"p": 1.0}, r"p=1\.0"), ({"p": 0.1, "mask": "row"}, "mask='row'")]
)
def test_mixout_refuses(bert, wrong, said):
    with pytest.raises(ValueError, match=said):
        apply_mixout(bert, **wrong)


# ---------------------------------------------------------------- training a part


def test_bitfit_trains_biases_and_the_head(bert):
    names = freeze_all_but(bert, ["*.bias", "classifier.*"])
    assert set(names) == {n for n, p in bert.named_parameters() if p.requires_grad}
    assert all(n.endswith("bias") or n == "classifier.weight" for n in names)
    assert len([n for n in names if n.endswith("bias")]) == 1 + 2 * 8 + 2


def test_top_layers(bert):
    freeze_all_but(bert, num_layers=1)
    trained = {
        name: {p.requires_grad for p in part.parameters()} for name, part in layers(bert).items()
    }
    assert trained == {
        "embeddings": {False}, "layer.0": {False},
        "layer.1": {True}, "pooler": {True}, "classifier": {True},
    }  # fmt: skip
    freeze_all_but(bert, ["bert.embeddings.*"], num_layers=0)  # both: what either names
    assert all(p.requires_grad for p in layers(bert)["embeddings"].parameters())
    assert not any(p.requires_grad for p in layers(bert)["layer.1"].parameters())


def test_a_pattern_that_matches_nothing_is_refused(bert):
    with pytest.raises(
        ValueError, match=r"bert\.encoder\.\*\.beta matches no parameter and no layer"
    ):
        freeze_all_but(bert, ["classifier.*", "bert.encoder.*.beta"])
    with pytest.raises(ValueError, match=r"classifier\.bias matches no other parameter"):
        freeze_all_but(bert, ["classifier", "classifier.bias"])  # a model without biases, say
    with pytest.raises(ValueError, match="num_layers=3: the model has 2 layers"):
        freeze_all_but(bert, num_layers=3)


def test_what_starts_at_random_may_not_be_frozen(bert):
    with pytest.raises(ValueError, match="classifier starts at random and 1 of its parameters"):
        freeze_all_but(bert, ["*.bias"])
    reinit = ReinitTopLayers(2)
    module = GlueClassifier(bert, metrics=["accuracy"])
    reinit.setup(None, module, "fit")
    with pytest.raises(ValueError, match=r"layer\.0 starts at random and 16 of its parameters"):
        TrainPart(num_layers=1, after=reinit).setup(None, module, "fit")


# ---------------------------------------------------------------- linear probe


def test_linear_probe_is_a_logistic_regression():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = (x @ rng.normal(size=(5, 3)) + rng.normal(size=(60, 3))).argmax(1)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(x, y)
    weight, bias = fit_linear_head(torch.from_numpy(x), torch.from_numpy(y), classes=3, l2=2.0)
    np.testing.assert_allclose(weight, theirs.coef_, atol=1e-4)
    intercept = theirs.intercept_ - theirs.intercept_.mean()  # biases are free up to a constant
    np.testing.assert_allclose(bias - bias.mean(), intercept, atol=1e-4)


def test_linear_probe_is_a_ridge_regression():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=40)
    theirs = Ridge(alpha=1.5).fit(x, y)
    # their loss is the sum of squares + alpha |w|²; ours the mean + l2 / (2 N) |w|²
    weight, bias = fit_linear_head(torch.from_numpy(x), torch.from_numpy(y), classes=1, l2=3.0)
    np.testing.assert_allclose(weight[0], theirs.coef_, atol=1e-5)
    assert bias.item() == pytest.approx(theirs.intercept_, abs=1e-5)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("task", ["rte", "stsb"])
def test_the_head_is_fitted_before_the_first_step(tiny_bert, tiny_glue, tmp_path, task, packed):
    model = load_model(tiny_bert, num_labels=TASKS[task].num_labels, seed=0)
    module = GlueClassifier(model, metrics=TASKS[task].metrics, lr=0.0)
    source = resolve(str(tiny_glue), TASKS[task])
    data = data_module(task)(
        source=source, tokenizer=tiny_bert, cache=tmp_path, batch_size=600, packed=packed
    )
    start = copy.deepcopy(model)
    trainer = L.Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        val_check_interval=1, check_val_every_n_epoch=None,
        callbacks=[ValidationSchedule(1), LinearProbe(1.0)],
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    rows = data.rows_dataloader("train")
    features, labels = head_inputs(module, model.classifier, rows)
    assert features.shape == (len(data.labels("train")), 16)
    weight, bias = fit_linear_head(features, labels, classes=TASKS[task].num_labels, l2=1.0)
    torch.testing.assert_close(model.classifier.weight, weight.float())
    torch.testing.assert_close(model.classifier.bias, bias.float())
    # nothing else has moved, and training goes on with dropout
    assert all(
        torch.equal(a, b)
        for (n, a), (_, b) in zip(model.named_parameters(), start.named_parameters(), strict=True)
        if not n.startswith("classifier")
    )
    assert model.training


# ---------------------------------------------------------------- average of the weights


def test_ema_is_what_is_validated_kept_and_left(tiny_bert, tiny_glue, tmp_path):
    """a_1 = w_1, a_t = d a_{t-1} + (1-d) w_t, by hand from the weights after each step."""
    module = GlueClassifier(
        load_model(tiny_bert, num_labels=2, seed=0), metrics=["accuracy"], lr=1e-2
    )
    source = resolve(str(tiny_glue), TASKS["rte"])
    data = data_module("rte")(
        source=source, tokenizer=tiny_bert, cache=tmp_path, batch_size=32, packed=True
    )
    train_embedding_rows(
        module.model, torch.from_numpy(data.vocabulary())
    )  # which brings integer buffers

    class Watch(L.Callback):
        live, validated = [], []

        def on_train_batch_end(self, trainer, pl_module, *args):
            self.live.append(copy.deepcopy(pl_module.model.classifier.weight.detach()))

        def on_validation_epoch_end(self, trainer, pl_module):
            self.validated.append(copy.deepcopy(pl_module.model.classifier.weight.detach()))

    watch, best = Watch(), BestWeights("val/loss")  # which rises at last
    averaging = build_averaging(compose(["ema.decay=0.8", "trainer.accelerator=cpu"]))
    trainer = L.Trainer(
        accelerator="cpu", max_steps=6, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        val_check_interval=1, check_val_every_n_epoch=None,
        callbacks=[ValidationSchedule(2), watch, best, *averaging],
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    average, averages = watch.live[0], []
    for weight in watch.live:
        average = 0.8 * average + 0.2 * weight
        averages.append(average)
    assert len(watch.live) == 6
    torch.testing.assert_close(watch.validated, [averages[2], averages[5]])
    last = module.model.classifier.weight.detach().clone()
    torch.testing.assert_close(last, averages[5])
    assert not torch.allclose(last, watch.live[5], atol=1e-4)
    best.restore(module)
    torch.testing.assert_close(module.model.classifier.weight.detach(), averages[best.step - 1])
    place = module.model.get_input_embeddings().place
    assert place.max() == len(module.model.get_input_embeddings().weight) - 1
