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
    runs, problems = read_predictions(records, *roots)
    return runs, [*problems, *predictions_shortage(records, runs)]


def read_predictions(
    records: Sequence[RunRecord], *roots: Path
) -> tuple[dict[Key, RunPredictions], list[str]]:
    """Load predictions as `load_predictions`; absent ones are no problem."""
    candidates = [record for record in records if record.predictions_digest]
    return COLLECTED_PREDICTIONS.load(candidates, *roots)


def predictions_shortage(
    records: Sequence[RunRecord], runs: Mapping[Key, RunPredictions]
) -> list[str]:
    """Report how many records have no predictions, and why."""
    older = sum(record.predictions_digest is None for record in records)
    absent, total = len(records) - older - len(runs), count_of(len(records), "record")
    reasons = {
        f"older than {PREDICTIONS}: {older} of {total}; force=true runs them again": older,
        f"without valid predictions next to them: {absent} of {total}": absent,
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
