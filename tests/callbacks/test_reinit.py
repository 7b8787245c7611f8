"""Re-initialization at the start of fit."""

import pytest
import torch

from stablebert.callbacks import ReinitTopLayers
from tests.helpers.foreign import ForeignModule, fit_foreign, foreign_loader


@pytest.mark.slow
def test_reinit_happens_once(tiny_bert):
    """setup runs for every stage; trained weights must survive a test (docs/pitfalls.md, 8)."""
    module, callback = ForeignModule(tiny_bert), ReinitTopLayers(1)
    trainer = fit_foreign(module, [callback], max_epochs=1)
    trained = [p.detach().clone() for p in module.parameters()]
    trainer.validate(module, foreign_loader(8, 8), verbose=False)
    assert callback.layers == ["layer.1", "pooler"]
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), trained, strict=True))
