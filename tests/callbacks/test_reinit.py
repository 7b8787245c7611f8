"""Re-initialization at the start of fit."""

import copy

import pytest
import torch

from stablebert.callbacks import ReinitTopLayers
from stablebert.models.surgery import reinitialize_top
from tests.helpers.foreign import ForeignModule, fit_foreign, foreign_loader
from tests.helpers.trainers import Holder, trainer_at


@pytest.mark.slow
def test_reinit_happens_once(tiny_bert):
    """setup runs for every stage; trained weights must survive a test (docs/pitfalls.md, 8)."""
    module, callback = ForeignModule(tiny_bert), ReinitTopLayers(1)
    trainer = fit_foreign(module, [callback], max_epochs=1)
    trained = [p.detach().clone() for p in module.parameters()]
    trainer.validate(module, foreign_loader(8, 8), verbose=False)
    assert callback.layers == ["layer.1", "pooler"]
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), trained, strict=True))


@pytest.mark.parametrize("settings", [{"pooler": False, "seed": 7}, {"pooler": True, "seed": 0}])
def test_reinit_draws_what_its_settings_say(bert, settings):
    twin = copy.deepcopy(bert)
    reinitialize_top(twin, num_layers=1, **settings)
    reinit = ReinitTopLayers(1, **settings)
    reinit.setup(trainer_at(), Holder(model=bert), "fit")
    assert reinit.layers == ["layer.1"] + ["pooler"] * settings["pooler"]
    assert all(torch.equal(p, q) for p, q in zip(bert.parameters(), twin.parameters(), strict=True))
