"""The linear probe against scikit-learn, and before the first step of a training."""

import copy

import lightning as L
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from stablebert.callbacks import LinearProbe, ValidationSchedule
from stablebert.callbacks.linear_probe import fit_linear_head, head_inputs
from stablebert.models.loading import load_model
from stablebert.tasks import TASKS
from stablebert.training.module import GlueClassifier
from tests.helpers.foreign import SETTINGS


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


@pytest.fixture(scope="module", params=["rte packed", "rte padded", "stsb packed", "stsb padded"])
def probed(tiny_bert, callback_data, request):
    """A training of one step with learning rate 0: task, data, module, and its start."""
    task, packing = request.param.split()
    model = load_model(tiny_bert, num_labels=TASKS[task].num_labels, seed=0)
    module = GlueClassifier(model, metrics=TASKS[task].metrics, lr=0.0)
    data = callback_data(task, batch_size=50, packed=packing == "packed")
    start = copy.deepcopy(model)
    callbacks = [ValidationSchedule(1), LinearProbe(1.0)]
    L.Trainer(max_steps=1, callbacks=callbacks, **SETTINGS).fit(module, datamodule=data)
    assert model.training
    return task, data, module, start


@pytest.mark.slow
def test_the_head_is_fitted_to_the_training_rows_before_the_first_step(probed):
    task, data, module, _ = probed
    head = module.model.classifier
    features, labels = head_inputs(module, head, data.rows_dataloader("train"))
    assert features.shape == (len(data.labels("train")), 16)
    weight, bias = fit_linear_head(features, labels, classes=TASKS[task].num_labels, l2=1.0)
    torch.testing.assert_close(head.weight, weight.float())
    torch.testing.assert_close(head.bias, bias.float())


@pytest.mark.slow
def test_the_probe_changes_only_the_head(probed):
    _, _, module, start = probed
    before = dict(start.named_parameters())
    for name, p in module.model.named_parameters():
        assert torch.equal(p, before[name]) == (not name.startswith("classifier")), name
