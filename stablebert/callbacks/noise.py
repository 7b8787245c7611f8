"""Noise on the pre-trained weights before training: NoisyTune (Wu et al., 2022)."""

from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.stateful import Treatment
from stablebert.models.surgery import add_noise


class AddNoise(Treatment):
    """Callback that adds noise to the encoder once; list it before `ReinitTopLayers`.

    Layers that start at random get no noise, and re-initialization replaces it: the lower layers
    have the same noise whatever its depth.

    Args:
        intensity: Width λ of the noise, in standard deviations of each tensor; see `add_noise`.
        seed: Seed of the noise, a run's `seed_init`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        TypeError: At the start of fit, if the module has no model, or several.
    """

    def __init__(self, intensity: float, *, seed: int = 0, encoder: str | None = None):
        super().__init__(encoder)
        self.intensity = intensity
        self.seed = seed

    @property
    def layers(self) -> list[str]:
        """Names of the layers with noise, from the bottom up; empty before the start of fit."""
        return self._names

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        return add_noise(pl_module, intensity=self.intensity, seed=self.seed, encoder=self.encoder)
