"""The validation score of a run after a fraction of its steps, stored for seed pruning."""

import json
from dataclasses import asdict, dataclass

from stablebert.filesystem import read_bytes
from stablebert.runs.files import write_json
from stablebert.runs.run import Run, early_score_file


@dataclass(frozen=True)
class EarlyScore:
    """Validation score after a fraction of a run.

    Attributes:
        step: Optimizer step of the validation.
        steps: Optimizer steps of the whole run.
        val_score: Reported metric on the validation rows, 0..1 (-1..1 for correlations).
        seconds: Wall time spent.
    """

    step: int
    steps: int
    val_score: float
    seconds: float


def write_early_score(run: Run, fraction: float, score: EarlyScore) -> None:
    """Store the score of a run after `fraction` of its steps, whole or not at all."""
    write_json(early_score_file(run, fraction), asdict(score))


def read_early_score(run: Run, fraction: float) -> EarlyScore | None:
    """Read the score of a run after `fraction` of its steps; None if it is missing or damaged."""
    try:
        return EarlyScore(**json.loads(read_bytes(early_score_file(run, fraction))))
    except (OSError, ValueError, TypeError):
        return None
