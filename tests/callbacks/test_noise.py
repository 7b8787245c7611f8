"""Noise at the start of fit."""

import copy

import pytest
import torch

from stablebert.callbacks import AddNoise, ReinitTopLayers
from stablebert.models.location import layers
from stablebert.models.surgery import add_noise
from tests.helpers.foreign import ForeignModule, fit_foreign, foreign_loader
from tests.helpers.trainers import Holder, trainer_at


@pytest.mark.slow
def test_noise_is_added_once(tiny_bert):
    module, callback = ForeignModule(tiny_bert), AddNoise(0.15)
    trainer = fit_foreign(module, [callback], max_epochs=1)
    trained = [p.detach().clone() for p in module.parameters()]
    trainer.validate(module, foreign_loader(8, 8), verbose=False)
    assert callback.layers == ["embeddings", "layer.0", "layer.1", "pooler"]
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), trained, strict=True))


def test_noise_is_what_its_settings_say(bert):
    twin = copy.deepcopy(bert)
    add_noise(twin, intensity=0.4, seed=7)
    AddNoise(0.4, seed=7).setup(trainer_at(), Holder(model=bert), "fit")
    assert all(torch.equal(p, q) for p, q in zip(bert.parameters(), twin.parameters(), strict=True))


def test_reinitialized_layers_have_no_noise_and_the_others_all_of_it(bert):
    reinitialized, noisy = copy.deepcopy(bert), copy.deepcopy(bert)
    ReinitTopLayers(1).setup(trainer_at(), Holder(model=reinitialized), "fit")
    AddNoise(0.4).setup(trainer_at(), Holder(model=noisy), "fit")
    for callback in (AddNoise(0.4), ReinitTopLayers(1)):
        callback.setup(trainer_at(), Holder(model=bert), "fit")
    for name, layer in layers(bert).items():
        expected = reinitialized if name in ("layer.1", "pooler", "classifier") else noisy
        pairs = zip(layer.parameters(), layers(expected)[name].parameters(), strict=True)
        assert all(torch.equal(p, q) for p, q in pairs), name
