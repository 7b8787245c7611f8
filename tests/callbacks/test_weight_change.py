"""The weight change, per layer."""

import pytest
import torch
from torch import nn

from stablebert.callbacks import ReinitTopLayers, WeightChangeMonitor
from stablebert.callbacks.weight_change import copy_weights, weight_change, weight_norms
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign
from tests.helpers.trainers import Holder, trainer_at


@pytest.fixture
def ones():
    """Two layers with all parameters 1: 6 and 3 of them."""
    layers_by_name = {"layer.0": nn.Linear(2, 2), "classifier": nn.Linear(2, 1)}
    with torch.no_grad():
        for p in (p for layer in layers_by_name.values() for p in layer.parameters()):
            p.fill_(1.0)
    return layers_by_name


def test_norm_of_a_layer_is_over_all_its_parameters(ones):
    assert weight_norms(copy_weights(ones)).tolist() == pytest.approx([6**0.5, 3**0.5])


def test_weight_change_is_zero_at_the_start(ones):
    start = copy_weights(ones)
    assert weight_change(ones, start, weight_norms(start)).tolist() == [[0, 0], [0, 0]]


def test_weight_change_is_a_hand_computed_norm(ones):
    start = copy_weights(ones)
    ones["layer.0"].weight.data += 3.0  # four weights by 3 and
    ones["layer.0"].bias.data -= 2.0  # two biases by 2: 36 + 8
    change, relative = weight_change(ones, start, weight_norms(start)).tolist()
    assert change == pytest.approx([44**0.5, 0])
    assert relative == pytest.approx([(44 / 6) ** 0.5, 0])


@pytest.fixture
def started(bert):
    """A monitor of a fit, and its module."""
    module, monitor = Holder(model=bert), WeightChangeMonitor()
    monitor.setup(trainer_at(), module, "fit")
    monitor.on_train_start(trainer_at(), module)
    return monitor, module


LAYERS = ("embeddings", "layer_00", "layer_01", "pooler", "classifier")


def test_both_distances_of_every_layer_are_logged(started):
    monitor, module = started
    keys = monitor.measure(trainer_at(1), module).keys()
    expected = [f"weight_change{kind}/{name}" for kind in ("", "_relative") for name in LAYERS]
    assert list(keys) == expected


def test_distances_are_from_the_weights_at_the_start(started):
    monitor, module = started
    head = module.model.classifier
    norm = torch.cat([p.detach().flatten() for p in head.parameters()]).norm().item()
    with torch.no_grad():
        for p in head.parameters():
            p.add_(0.5)  # 2 x 16 weights and 2 biases
    metrics = monitor.measure(trainer_at(1), module)
    assert metrics["weight_change/classifier"] == pytest.approx(0.5 * 34**0.5)
    assert metrics["weight_change_relative/classifier"] == pytest.approx(0.5 * 34**0.5 / norm)
    assert metrics["weight_change/pooler"] == 0


def resume(started, state, path="model.ckpt"):
    """Start another fit of the module from a checkpoint with a state, and measure."""
    _, module = started
    monitor = WeightChangeMonitor()
    monitor.setup(trainer_at(), module, "fit")
    monitor.load_state_dict(state)
    monitor.on_train_start(trainer_at(5, ckpt_path=path), module)
    return monitor.measure(trainer_at(5), module)


def test_a_resumed_fit_measures_from_the_start_in_its_checkpoint(started, caplog):
    monitor, module = started
    with torch.no_grad():
        module.model.classifier.bias.add_(3.0)
    metrics = resume(started, monitor.state_dict())
    assert metrics["weight_change/classifier"] == pytest.approx(3 * 2**0.5)
    assert caplog.text == ""


@pytest.mark.parametrize(("path", "reported"), [("model.ckpt", True), (None, False)])
def test_a_checkpoint_without_the_start_is_reported(started, caplog, path, reported):
    resume(started, {}, path)
    assert ("model.ckpt has no weights from the start of training" in caplog.text) == reported


def test_a_monitor_without_a_model_is_refused_by_name():
    monitor = WeightChangeMonitor()
    monitor.setup(trainer_at(), Holder(), "fit")
    with pytest.raises(TypeError, match=r"^WeightChangeMonitor: no model of the transformers"):
        monitor.on_train_start(trainer_at(), Holder())


@pytest.mark.slow
def test_weight_change_starts_after_reinit(tiny_bert):
    recorder, module = Recorder(), ForeignModule(tiny_bert, rate=0.0)
    before = module.model.bert.pooler.dense.weight.detach().clone()
    callbacks = [ReinitTopLayers(2), WeightChangeMonitor()]
    fit_foreign(module, callbacks, recorder=recorder, max_epochs=1)
    assert not torch.equal(before, module.model.bert.pooler.dense.weight)
    changes = {v for k, v in recorder.lines[8].items() if k.startswith("weight_change/")}
    assert changes == {0.0}
