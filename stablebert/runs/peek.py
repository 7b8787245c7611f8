"""How a run validated after a fraction of its steps."""

import json
from dataclasses import asdict, dataclass

from stablebert.runs.location import LocatedRun, Run, peek_file
from stablebert.runs.record import write_json


@dataclass(frozen=True)
class Peek:
    """How a run validated after a fraction of its steps."""

    step: int
    steps: int
    """Of the whole run."""
    val_score: float
    seconds: float


def write_peek(run: LocatedRun, peek: Peek) -> None:
    """Write a peek of `run.until`, whole or not at all."""
    write_json(peek_file(run, run.until or 1), asdict(peek))


def read_peek(run: Run, fraction: float) -> Peek | None:
    """Read a peek; None where there is none, or a damaged one."""
    try:
        return Peek(**json.loads(peek_file(run, fraction).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
