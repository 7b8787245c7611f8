"""A run (identity and inputs) and a job (what to do with a run)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stablebert.config.schema import RunConfig
from stablebert.glue.sources import Source
from stablebert.hub import Content
from stablebert.runs.files import ENCODER, RESULT, WEIGHTS
from stablebert.runs.record import Key
from stablebert.runs.seeds import Seeds


@dataclass(frozen=True)
class Run:
    """A configuration with its seeds, and the folder of its record."""

    cfg: RunConfig
    config_id: str
    folder: Path

    @property
    def seeds(self) -> Seeds:
        """The two seeds."""
        return Seeds.of(self.cfg)

    @property
    def key(self) -> Key:
        """Identity of the run, equal to the key of its record."""
        return self.config_id, self.seeds

    @property
    def name(self) -> str:
        """Name in progress lines and messages."""
        cfg = self.cfg
        return f"{cfg.task} {cfg.method} {cfg.length} {self.config_id} {self.folder.name}"

    @property
    def lacks_weights(self) -> bool:
        """True if the weights are to be kept and are not in the folder, next to the record."""
        files = [self.folder / name for name in (RESULT, WEIGHTS)]
        return self.cfg.trainer.keep_weights and not all(file.exists() for file in files)


@dataclass(frozen=True)
class LocatedRun(Run):
    """A run with its inputs, all of them available on this machine."""

    source: Source
    model: Path
    """Local folder of the pre-trained model and its tokenizer."""
    model_content: Content
    start: Self | None = None
    """Run whose encoder this one starts from instead of the pre-trained model."""

    @property
    def model_identity(self) -> str:
        """Identity of the model's content."""
        return self.model_content.identity


@dataclass(frozen=True)
class Job:
    """Work on a run: train it, train it and keep its encoder, or validate it early.

    Attributes:
        run: The run.
        keep_encoder: Whether to save the fine-tuned encoder for runs that start from it.
        stop_after: Fraction of the optimizer steps after which to stop and store only the
            validation score; None trains and tests the whole run.
        pruned_from: Seeds among which pruning selected the run; empty if nothing was selected.
    """

    run: LocatedRun
    keep_encoder: bool = False
    stop_after: float | None = None
    pruned_from: tuple[Seeds, ...] = ()

    @property
    def is_done(self) -> bool:
        """True if the output of the job exists; a finished run needs no early validation."""
        early = self.stop_after and early_score_file(self.run, self.stop_after).exists()
        has_record = (self.run.folder / RESULT).exists()
        if self.keep_encoder:  # the record is written last
            return has_record and (self.run.folder / ENCODER).exists()
        if self.stop_after is None and self.run.lacks_weights:
            return False
        return bool(early) or has_record

    @property
    def prerequisite(self) -> Self | None:
        """Job that must be done first: training the run that this one starts from."""
        start = self.run.start
        return type(self)(start, keep_encoder=True) if start else None


def early_score_file(run: Run, fraction: float) -> Path:
    """Return the file of a run's validation score after a fraction of its steps."""
    return run.folder / f"peek-{fraction:g}.json"
