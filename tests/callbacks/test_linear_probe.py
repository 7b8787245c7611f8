"""The linear probe against scikit-learn, and before the first step of a training."""

import copy
import math
from types import SimpleNamespace

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
from tests.helpers.foreign import SETTINGS, dict_batches
from tests.helpers.trainers import Holder, trainer_at


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


def test_the_bias_alone_fits_the_frequencies_of_two_classes():
    """Without features, three rows of class 0 and one of class 1 differ by log 3."""
    x, y = torch.zeros(4, 1), torch.tensor([0, 0, 0, 1])
    weight, bias = fit_linear_head(x, y, classes=2, l2=1.0)
    assert weight.tolist() == [[0], [0]]
    assert (bias[0] - bias[1]).item() == pytest.approx(math.log(3), abs=1e-5)


def test_regularization_is_divided_by_twice_the_rows():
    """Minimum of ((w - 2)² + (-w + 2)²) / 2 + 4 / (2 x 2) w², at w = 1."""
    x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([2.0, -2.0])
    weight, bias = fit_linear_head(x, y, classes=1, l2=4.0)
    assert (weight.item(), bias.item()) == pytest.approx((1.0, 0.0), abs=1e-6)


def test_features_of_very_different_sizes_are_fitted_to_convergence():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 12)) * np.logspace(-2, 2, 12)
    y = (x @ rng.normal(size=12) / x.std() + rng.normal(size=60) > 0).astype(int)
    weight, bias = fit_linear_head(torch.from_numpy(x), torch.from_numpy(y), classes=2, l2=0.1)
    p = torch.softmax(torch.from_numpy(x) @ weight.T + bias, 1)
    residual = p - torch.nn.functional.one_hot(torch.from_numpy(y))
    gradient = residual.T @ torch.from_numpy(x) / 60 + 0.1 / 60 * weight
    assert gradient.abs().max() < 1e-5


class Head(L.LightningModule):
    """Module that doubles its inputs before its head."""

    def __init__(self):
        super().__init__()
        self.dropout, self.head = torch.nn.Dropout(0.5), torch.nn.Linear(2, 3).double()

    def forward(self, batch):
        return self.head(self.dropout(2 * batch["x"]))


def batch_of(x, labels):
    return {"x": torch.tensor(x, dtype=torch.float64), "labels": torch.tensor(labels)}


ROWS = [batch_of([[1, 2], [3, 4]], [0, 1]), batch_of([[5, 6]], [2])]


def test_inputs_of_the_head_are_recorded_without_dropout():
    module = Head()
    x, y = head_inputs(module, module.head, ROWS)
    assert x.tolist() == [[2, 4], [6, 8], [10, 12]]
    assert y.tolist() == [0, 1, 2]
    assert (x.dtype, x.requires_grad) == (torch.float32, False)


def test_tokens_without_a_label_are_left_out():
    module, rows = Head(), [batch_of([[[1, 2], [3, 4]]], [[-100, 1]])]
    x, y = head_inputs(module, module.head, rows)
    assert (x.tolist(), y.tolist()) == ([[6, 8]], [1])


def test_labels_may_be_an_attribute_of_a_batch():
    module = Head()
    module.forward = lambda batch: module.head(batch.x)
    batch = SimpleNamespace(x=torch.ones(1, 2).double(), labels=torch.tensor([2]))
    assert head_inputs(module, module.head, [batch])[1].tolist() == [2]


def test_batches_are_moved_to_the_device_of_the_module():
    class Moving(Head):
        def transfer_batch_to_device(self, batch, device, index):
            assert (device, index) == (self.device, 0)
            return ROWS[1]

    module = Moving()
    assert head_inputs(module, module.head, ROWS[:1])[1].tolist() == [2]


@pytest.mark.parametrize(
    ("batch", "kind"), [({"x": torch.ones(1, 2).double()}, "dict"), (SimpleNamespace(), "Simple")]
)
def test_a_batch_without_labels_is_refused(batch, kind):
    module = Head()
    module.forward = lambda batch: None
    message = rf'LinearProbe needs labels in batch\["labels"\] or batch\.labels; got a {kind}'
    with pytest.raises(TypeError, match=message):
        head_inputs(module, module.head, [batch])


def test_a_failure_leaves_the_module_in_training_and_without_a_hook():
    module = Head()
    with pytest.raises(TypeError):
        head_inputs(module, module.head, [{"x": torch.ones(1, 2).double()}])
    assert module.training
    assert not module.head._forward_pre_hooks


@pytest.mark.parametrize("calls", [0, 2])
def test_a_forward_must_call_the_head_once(calls):
    module = Head()
    module.forward = lambda batch: [module.head(batch["x"]) for _ in range(calls)]
    message = r"^LinearProbe: Head\.forward\(batch\) must call the classifier once"
    with pytest.raises(ValueError, match=message):
        head_inputs(module, module.head, ROWS)


class TestHooks:
    """Fit of a BERT with a head of its own, whose first Linear stays as it is."""

    @pytest.fixture
    def module(self, bert):
        class OwnHead(Holder):
            def forward(self, batch):
                return self.head(self.backbone(input_ids=batch["input_ids"]).pooler_output)

        head = torch.nn.Sequential(torch.nn.Linear(16, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
        return OwnHead(backbone=bert.bert, head=head)

    def start(self, probe, module, state=(), **attributes):
        probe.setup(trainer_at(), module, "fit")
        probe.load_state_dict(dict(state))
        probe.on_train_start(trainer_at(**attributes), module)

    def test_the_last_linear_is_the_optimum_of_its_inputs(self, module):
        first = copy.deepcopy(module.head[0])
        self.start(LinearProbe(0.5, rows=dict_batches()), module)
        x, y = head_inputs(module, module.head[2], dict_batches())
        weight, bias = fit_linear_head(x, y, classes=2, l2=0.5)
        torch.testing.assert_close(module.head[2].weight.data, weight.float())
        torch.testing.assert_close(module.head[2].bias.data, bias.float())
        assert torch.equal(module.head[0].weight, first.weight)

    def test_rows_of_the_data_module_are_the_default(self, module):
        twin = copy.deepcopy(module)
        self.start(LinearProbe(0.5, rows=dict_batches()), twin)
        data = SimpleNamespace(rows_dataloader={"train": dict_batches()}.get)
        self.start(LinearProbe(0.5), module, datamodule=data)
        assert torch.equal(module.head[2].weight, twin.head[2].weight)

    def test_nothing_is_fitted_before_the_start_of_training(self, module):
        before = copy.deepcopy(module.head[2].weight)
        LinearProbe(0.5, rows=dict_batches()).setup(trainer_at(), module, "fit")
        assert torch.equal(module.head[2].weight, before)

    def test_a_head_of_a_checkpoint_is_not_fitted_again(self, module):
        before = copy.deepcopy(module.head[2].weight)
        self.start(LinearProbe(0.5, rows=dict_batches()), module, {"is_fitted": True})
        assert torch.equal(module.head[2].weight, before)

    def test_a_fitted_head_is_noted_in_checkpoints(self, module):
        probe = LinearProbe(0.5, rows=dict_batches())
        self.start(probe, module)
        assert probe.state_dict() == {"is_fitted": True}

    def test_a_second_fit_leaves_the_trained_head(self, module):
        probe = LinearProbe(0.5, rows=dict_batches())
        self.start(probe, module)
        with torch.no_grad():
            module.head[2].weight.fill_(7.0)
        self.start(probe, module)
        assert module.head[2].weight.eq(7.0).all()

    def test_the_next_module_is_fitted_by_the_same_instance(self, module):
        twin, probe = copy.deepcopy(module), LinearProbe(0.5, rows=dict_batches())
        for each in (module, twin):
            self.start(probe, each)
        assert torch.equal(module.head[2].weight, twin.head[2].weight)

    def test_an_encoder_without_a_head_is_refused(self, bert):
        message = "^LinearProbe: Holder has no Linear on its encoder"
        with pytest.raises(TypeError, match=message):
            self.start(LinearProbe(0.5, rows=dict_batches()), Holder(model=bert.bert))

    def test_a_head_without_a_bias_is_refused_before_the_rows_are_read(self, module):
        module.head[2] = torch.nn.Linear(4, 2, bias=False)
        with pytest.raises(TypeError, match=r"^LinearProbe: the last Linear .* has no bias"):
            self.start(LinearProbe(0.5, rows=[None]), module)

    def test_rows_that_can_be_read_once_are_refused(self):
        with pytest.raises(TypeError, match="rows is a list_iterator, which can be read once"):
            LinearProbe(0.5, rows=iter(dict_batches()))


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
