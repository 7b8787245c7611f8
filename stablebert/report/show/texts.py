"""Texts of rows of the data, if the data are on this machine; nothing is downloaded."""

from collections.abc import Iterable, Mapping

from stablebert.errors import ActionableError, ConfigError
from stablebert.runs.locate import locate_data
from stablebert.runs.record import RunRecord
from stablebert.tasks import TASKS


class TextsError(ActionableError):
    """The texts of a run's rows are not available."""


def read_texts(
    record: RunRecord, split: str, rows: Iterable[int], *, source: str, revision: str | None
) -> list[Mapping[str, str]]:
    """Return the texts of rows by column.

    Args:
        record: Record of a run on these rows.
        split: Split of the data source, such as `validation`.
        rows: Row numbers in it, from 0.
        source: Value of `data.source`.
        revision: Value of `data.revision`.

    Raises:
        TextsError: If the data are not on this machine, or are not those of the run.
    """
    if record.task not in TASKS:
        raise TextsError(
            f"no texts: {record.task} is none of the tasks here; --tasks FILE names a tasks file"
        )
    task = TASKS[record.task]
    try:
        data = locate_data(source, TASKS[task.config], revision, download=False)
        if data.identity != record.data:
            raise TextsError(
                f"no texts: data.source={source} has {data.identity}, and the run had "
                f"{record.data}; --data SOURCE names another source"
            )
        table = data.read(split)
        return [{name: str(table[name][row]) for name in task.columns} for row in map(int, rows)]
    except (ConfigError, ActionableError, LookupError, OSError) as error:
        if isinstance(error, TextsError):
            raise
        advice = "--data SOURCE names the data: demo, a folder, or hub if it is in its cache"
        raise TextsError(f"no texts: {error}; {advice}") from error
