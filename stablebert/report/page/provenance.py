"""Facts of a page on how its runs were made: machines, versions, contents, and time."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

from stablebert.report.render import Entry, Table
from stablebert.runs.record import RunRecord
from stablebert.text import count_of

_MOST_VALUES = 6
"""Maximum number of values of a fact that are listed."""
_FACTS: dict[str, Callable[[RunRecord], str]] = {
    "device": lambda record: record.device,
    "CPU threads": lambda record: str(record.threads),
    "precision": lambda record: record.precision,
    "packing": lambda record: record.packing,
    "model": lambda record: _address(record.model, record.model_address),
    "data": lambda record: _address(record.data, record.data_address),
}


def provenance_table(records: Sequence[RunRecord]) -> Table:
    """Return a table of facts about runs, with the number of runs of each value."""
    values = {name: [value_of(record) for record in records] for name, value_of in _FACTS.items()}
    for package in dict.fromkeys(name for record in records for name in record.versions):
        values[package] = [_version(record, package) for record in records]
    rows = [
        [Entry(text=fact), Entry(text=value), Entry(text=str(n))]
        for fact, own in values.items()
        for value, n in _count_values(own)
    ]
    return Table(
        title="Machines, contents, and versions of the runs",
        head=["fact", "value", "runs"],
        rows=rows,
        labels=2,
    )


def describe_cost(records: Sequence[RunRecord]) -> str:
    """Return how many runs there are and how long they took in total."""
    total = timedelta(seconds=round(sum(sum(record.seconds.values()) for record in records)))
    return f"{count_of(len(records), 'run')} took {total} of wall-clock time in total."


def _version(record: RunRecord, package: str) -> str:
    """Return the version of a package; older records do not name all packages."""
    absent = "not installed" if package in record.versions and package != "commit" else "unknown"
    return record.versions.get(package) or absent


def _count_values(values: Sequence[str]) -> list[tuple[str, int]]:
    """Return distinct values with their counts, the most frequent first."""
    ranking = Counter(values).most_common()
    rest = ranking[_MOST_VALUES:]
    if not rest:
        return ranking
    return [*ranking[:_MOST_VALUES], (f"{len(rest)} more values", sum(n for _, n in rest))]


def _address(identity: str, address: str | None) -> str:
    return f"{address} ({identity})" if address else identity
