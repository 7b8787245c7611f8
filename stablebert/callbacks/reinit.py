"""Re-initialization of the top layers before training (Zhang et al., 2021, Section 5)."""

from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.stateful import Treatment
from stablebert.models.surgery import reinitialize_top


class ReinitTopLayers(Treatment):
    """Callback that re-initializes the top of a model once, before the optimizer is built.

    Args:
        num_layers: Number of blocks to draw, from the top; 0 keeps them all.
        skip: Number of blocks above them that keep their weights.
        pooler: Whether to draw the pooler, if the model has one.
        seed: Seed of the draws, a run's `seed_init`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: At the start of fit, if the module has no model, or several.
        ValueError: At the start of fit, if the model has fewer blocks, or there is nothing to draw;
            see `reinitialize_top`.
    """

    def __init__(
        self,
        num_layers: int,
        *,
        skip: int = 0,
        pooler: bool = True,
        seed: int = 0,
        encoder: str | None = None,
    ):
        super().__init__(encoder)
        self.num_layers = num_layers
        self.skip = skip
        self.pooler = pooler
        self.seed = seed

    @property
    def layers(self) -> list[str]:
        """Names of the layers drawn, from the bottom up; empty before the start of fit."""
        return self._names

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        return reinitialize_top(
            pl_module,
            num_layers=self.num_layers,
            skip=self.skip,
            pooler=self.pooler,
            seed=self.seed,
            encoder=self.encoder,
        )
