"""Predictions of runs: found next to their records, and checked."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stablebert.report.companions import Companion
from stablebert.runs.files import PREDICTIONS
from stablebert.runs.predictions import (
    RunPredictions,
    digest_of,
    parse_predictions,
    serialize_predictions,
)
from stablebert.runs.record import Key, RunRecord
from stablebert.text import count_of


def load_predictions(
    records: Sequence[RunRecord], *roots: Path
) -> tuple[dict[Key, RunPredictions], list[str]]:
    """Load the predictions of records that `read_records` has read under the same folders.

    Args:
        records: Records of runs.
        roots: Folders such as `runs` and `results`.

    Returns:
        Predictions by run, and one line per problem: files that are damaged or do not have the
        digest of their record, and the number of records without predictions.
    """
    candidates = [record for record in records if record.predictions_digest]
    runs, problems = COLLECTED_PREDICTIONS.load(candidates, *roots)
    return runs, [*problems, *_shortage(len(records), len(candidates), len(runs))]


def _shortage(total: int, candidates: int, found: int) -> list[str]:
    """Report how many records have no predictions, and why."""
    older, absent, records = total - candidates, candidates - found, count_of(total, "record")
    reasons = {
        f"older than {PREDICTIONS}: {older} of {records}; force=true runs them again": older,
        f"without valid predictions next to them: {absent} of {records}": absent,
    }
    return [reason for reason, number in reasons.items() if number]


def _parse_run(key: Key, content: bytes) -> Mapping[Key, RunPredictions]:
    """Parse the file of a run, which has the format of that of many runs."""
    return parse_predictions(content)


def _mismatch(record: RunRecord, predictions: RunPredictions) -> str:
    if digest_of(predictions) == record.predictions_digest:
        return ""
    run = f"{record.config_id} {record.seeds.folder}"
    return f"the predictions of {run} are not those of its record: their digest differs"


COLLECTED_PREDICTIONS = Companion(
    run_file=PREDICTIONS,
    collected_suffix=f".{PREDICTIONS}",
    parse_run=_parse_run,
    parse_collected=parse_predictions,
    serialize=serialize_predictions,
    mismatch=_mismatch,
)
"""Predictions of runs, in their folders or collected in one file."""
