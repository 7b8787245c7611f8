"""The weight change, per layer."""

import pytest
import torch
from torch import nn

from stablebert.callbacks import ReinitTopLayers, WeightChangeMonitor
from stablebert.callbacks.weight_change import copy_weights, weight_change, weight_norms
from tests.helpers.foreign import ForeignModule, Recorder, fit_foreign


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


@pytest.mark.slow
def test_weight_change_starts_after_reinit(tiny_bert):
    recorder, module = Recorder(), ForeignModule(tiny_bert, rate=0.0)
    before = module.model.bert.pooler.dense.weight.detach().clone()
    callbacks = [ReinitTopLayers(2), WeightChangeMonitor()]
    fit_foreign(module, callbacks, recorder=recorder, max_epochs=1)
    assert not torch.equal(before, module.model.bert.pooler.dense.weight)
    changes = {v for k, v in recorder.lines[8].items() if k.startswith("weight_change/")}
    assert changes == {0.0}
