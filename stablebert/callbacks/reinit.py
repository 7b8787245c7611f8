"""Re-initialise the top layers before training (Zhang et al., 2021, Section 5)."""

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from stablebert.models.surgery import reinitialize_top


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
            self.layers = reinitialize_top(
                pl_module.model, num_layers=self.num_layers, pooler=self.pooler, seed=self.seed
            )
