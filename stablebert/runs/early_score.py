"""The validation score of a run after a fraction of its steps, stored for seed pruning."""

from dataclasses import asdict, dataclass

from stablebert.filesystem import read_bytes
from stablebert.runs.files import write_json
from stablebert.runs.record import RecordError, RunRecord, read_record
from stablebert.runs.run import Job, Run, early_score_file
from stablebert.runs.strict_json import (
    CHANGED,
    check_fields,
    parse_object,
    pop_digest,
    with_digest,
)


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
    write_json(early_score_file(run, fraction), with_digest({**_identity(run), **asdict(score)}))


def read_early_score(run: Run, fraction: float) -> EarlyScore | None:
    """Read the score of a run after `fraction` of its steps; None if it has none.

    Raises:
        RecordError: If the file exists but does not hold such a score.
    """
    path = early_score_file(run, fraction)
    try:
        return _parse_early_score(read_bytes(path), run)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RecordError(f"{path}: {error}; delete the file to validate the run again") from error


def read_result(job: Job) -> RunRecord | EarlyScore | None:
    """Read the score or record that a job has stored; None if it is not done.

    Raises:
        RecordError: If the score or the record cannot be read.
    """
    score = read_early_score(job.run, job.stop_after) if job.stop_after else None
    return score or read_record(job.run.folder)


def _parse_early_score(text: bytes, run: Run) -> EarlyScore:
    data = parse_object(text)
    if pop_digest(data):
        raise ValueError(CHANGED)
    identity = _identity(run)
    if any(data.pop(name, value) != value for name, value in identity.items()):  # older: no names
        raise ValueError("the score of another run")
    check_fields(data, EarlyScore, "an early score")
    score = EarlyScore(**data)
    if not (1 <= score.step <= score.steps and -1 <= score.val_score <= 1 and score.seconds >= 0):
        raise ValueError(f"values out of range: {score}")
    return score


def _identity(run: Run) -> dict[str, str]:
    return {"config_id": run.config_id, "seeds": str(run.seeds)}
