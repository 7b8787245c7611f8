"""Files next to the records of several reports, each read once."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from stablebert.report.histories import COLLECTED_HISTORIES, histories_shortage
from stablebert.report.predictions import predictions_shortage, read_predictions
from stablebert.runs.history import History
from stablebert.runs.predictions import RunPredictions
from stablebert.runs.record import Key, RunRecord


class SharedFiles:
    """Predictions and histories of the records of several reports, read on first use.

    Args:
        records: Records of runs.
        roots: Folders such as `runs` and `results`.
    """

    def __init__(self, records: Sequence[RunRecord], roots: Sequence[Path]):
        self._records = records
        self._roots = roots

    @cached_property
    def _predictions(self) -> tuple[dict[Key, RunPredictions], list[str]]:
        return read_predictions(self._records, *self._roots)

    @cached_property
    def _histories(self) -> tuple[dict[Key, History], list[str]]:
        return COLLECTED_HISTORIES.load(self._records, *self._roots)

    def predictions_of(
        self, records: Sequence[RunRecord]
    ) -> tuple[dict[Key, RunPredictions], list[str]]:
        """Return the predictions of some of the records, as `load_predictions`."""
        runs, problems = self._predictions
        own = {record.key: runs[record.key] for record in records if record.key in runs}
        return own, [*problems, *predictions_shortage(records, own)]

    def histories_of(self, records: Sequence[RunRecord]) -> tuple[dict[Key, History], list[str]]:
        """Return the histories of some of the records, as `load_histories`."""
        runs, problems = self._histories
        own = {record.key: runs[record.key] for record in records if record.key in runs}
        return own, [*problems, *histories_shortage(records, own)]
