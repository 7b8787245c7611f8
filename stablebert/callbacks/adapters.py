"""Adapters on the encoder: LoRA (Hu et al., 2022) and (IA)³ (Liu et al., 2022)."""

from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from stablebert.callbacks.stateful import Treatment
from stablebert.models.adapters import add_adapters


class AddAdapters(Treatment):
    """Callback that adds adapters before training, with the package peft; see `add_adapters`.

    List `TrainPart(["classifier", *adapters.patterns])` after it to train them and the head alone.

    Args:
        kind: "lora" or "ia3".
        rank: Rank of LoRA's matrices.
        alpha: Numerator of the factor alpha / rank on their product.
        seed: Seed of the initial values, a run's `seed_init`.
        encoder: Path of the model in the module, if there are several; see `locate_model`.

    Raises:
        ImportError: At the start of fit, if peft is not installed.
        TypeError: At the start of fit, if the module has no model, or several.
        ValueError: At the start of fit, as `add_adapters`.
    """

    def __init__(
        self,
        kind: str,
        *,
        rank: int = 8,
        alpha: float = 16.0,
        seed: int = 0,
        encoder: str | None = None,
    ):
        super().__init__(encoder)
        self.kind = kind
        self.rank = rank
        self.alpha = alpha
        self.seed = seed

    @property
    def patterns(self) -> list[str]:
        """Patterns of the names of the adapters' parameters, for `TrainPart`."""
        return [f"*.{self.kind}_*"]

    @property
    def modules(self) -> list[str]:
        """Names of the Linears with adapters; empty before the start of fit."""
        return self._names

    @override
    def treat(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        return add_adapters(
            pl_module,
            kind=self.kind,
            rank=self.rank,
            alpha=self.alpha,
            seed=self.seed,
            encoder=self.encoder,
        )
