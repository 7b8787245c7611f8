"""Predictions of runs: found next to their records, checked, and collected in one file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stablebert.filesystem import read_bytes
from stablebert.report.records import record_files
from stablebert.runs.files import PREDICTIONS, write_bytes
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

    Those of a run are in `predictions.parquet` next to its `result.json`; those of the lines of
    `<name>.jsonl` are in `<name>.predictions.parquet`.

    Args:
        records: Records of runs.
        roots: Folders such as `runs` and `results`.

    Returns:
        Predictions by run, and one line per problem: files that are damaged or do not have the
        digest of their record, and the number of records without predictions.
    """
    digests = {record.key: record.predictions_digest for record in records}
    folders = {(config_id, seeds.folder) for config_id, seeds in digests}
    runs: dict[Key, RunPredictions] = {}
    mismatches: dict[Key, Path] = {}
    problems: list[str] = []
    for file in _prediction_files(roots, folders):
        try:
            content = parse_predictions(read_bytes(file))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            problems.append(f"{file}: {error}")
            continue
        for key, predictions in content.items():
            if key in runs or not digests.get(key):
                continue
            if digest_of(predictions) == digests[key]:
                runs[key] = predictions
            else:
                mismatches.setdefault(key, file)
    problems += [
        f"{file}: the predictions of {config_id} {seeds.folder} are not those of its record: "
        "their digest differs; force=true runs it again"
        for (config_id, seeds), file in mismatches.items()
        if (config_id, seeds) not in runs
    ]
    return runs, [*problems, *_shortage(digests, runs)]


def _prediction_files(roots: Sequence[Path], folders: set[tuple[str, str]]) -> Iterator[Path]:
    """Yield where predictions may be: in the given folders of runs, and next to lines of records.

    Args:
        roots: Folders such as `runs` and `results`.
        folders: The last two parts of the folders of runs.
    """
    for root in roots:
        for name, has_lines in record_files(root, []):  # `read_records` has reported the problems
            path = Path(name)
            if has_lines:
                yield collected_file(path)
            elif any(f(path).parts[-3:-1] in folders for f in (Path.absolute, Path.resolve)):
                yield path.with_name(PREDICTIONS)


def _shortage(digests: Mapping[Key, str | None], runs: Mapping[Key, RunPredictions]) -> list[str]:
    """Report how many records have no predictions, and why."""
    total = count_of(len(digests), "record")
    older = sum(digest is None for digest in digests.values())
    absent = len(digests) - older - len(runs)
    reasons = {
        f"older than {PREDICTIONS}: {older} of {total}; force=true runs them again": older,
        f"without valid predictions next to them: {absent} of {total}": absent,
    }
    return [reason for reason, number in reasons.items() if number]


def collected_file(path: Path) -> Path:
    """Return the file of the predictions of the records in a file of lines."""
    return path.with_suffix(f".{PREDICTIONS}")


def write_predictions(runs: Mapping[Key, RunPredictions], path: Path) -> None:
    """Write the predictions of runs to one file, in place of an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, serialize_predictions(runs))
