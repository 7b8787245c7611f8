"""Re-initialise the top layers before training (Zhang et al., 2021, Section 5)."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from typing_extensions import override

from stablebert.models.loading import layers, reinitialise, shares_layers, top_layers
from stablebert.seeds import generator


def reinitialise_top(
    model: nn.Module, *, num_layers: int, pooler: bool = True, seed: int = 0
) -> list[str]:
    """Draw the top `num_layers` blocks, and the pooler if asked for, as pre-training began.

    The layers below keep their weights bit for bit. The same seed draws the same weights; the top
    block is drawn first, so that a deeper re-initialisation agrees with a shallower one above.

    Returns:
        Names of the layers drawn anew, from the bottom up.

    Raises:
        ValueError: more blocks than the model has, blocks of a model whose layers are all one, or
            the pooler alone of a model without one.
    """
    if num_layers and shares_layers(model):
        raise ValueError(
            f"num_layers={num_layers}: all layers of {type(model).__name__} share one set of "
            "weights, so there are no top ones to re-initialise; type reinit.num_layers=0"
        )
    named = layers(model)
    chosen = top_layers(named, num_layers=num_layers, pooler=pooler)
    if not chosen and (num_layers or pooler):
        raise ValueError(f"{type(model).__name__} has no pooler: nothing is re-initialised")
    reinitialise(model, reversed(chosen), rng=generator(seed, "reinit"))
    return list(chosen)


class ReinitTopLayers(Callback):
    """Re-initialise `pl_module.model` once, before the optimizer is built and training starts.

    Args:
        num_layers: blocks to draw anew, from the top; 0 leaves them all.
        pooler: whether to draw the pooler anew too.
        seed: of the draws.

    Raises:
        ValueError: at the start of fit, more blocks than the model has.

    Example:
        >>> Trainer(callbacks=[ReinitTopLayers(num_layers=5)])  # doctest: +SKIP
    """

    def __init__(self, num_layers: int, pooler: bool = True, *, seed: int = 0):
        self.num_layers = num_layers
        self.pooler = pooler
        self.seed = seed
        self.layers: list[str] = []

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # setup runs for every stage, and trained weights must survive a second fit
        if stage == "fit" and not self.layers:
            self.layers = reinitialise_top(
                pl_module.model, num_layers=self.num_layers, pooler=self.pooler, seed=self.seed
            )
