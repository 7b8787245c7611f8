"""Files next to records: one in the folder of each run, or one for all lines of a file of records.

Those of a run are next to its `result.json`; those of the lines of `<name>.jsonl` are in a file
next to it, such as `<name>.predictions.parquet`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from stablebert.filesystem import read_bytes
from stablebert.report.records import record_files
from stablebert.runs.files import write_bytes
from stablebert.runs.record import Key, RunRecord

Content = TypeVar("Content")
"""Content of one run."""


@dataclass(frozen=True, kw_only=True)
class Companion(Generic[Content]):
    """A kind of file next to records."""

    run_file: str
    """Name of the file in the folder of a run."""
    collected_suffix: str
    """End of the name of the file next to lines of records, which replaces `.jsonl`."""
    parse_run: Callable[[Key, bytes], Mapping[Key, Content]]
    """Parses the file of a run; raises a ValueError if it is damaged."""
    parse_collected: Callable[[bytes], Mapping[Key, Content]]
    """Parses the file of many runs; raises a ValueError if it is damaged."""
    serialize: Callable[[Mapping[Key, Content]], bytes]
    """Returns the file of many runs, of which there is at least one."""
    mismatch: Callable[[RunRecord, Content], str]
    """Returns why the content of a run is not that of its record, empty if it is."""

    def collected_file(self, lines: Path) -> Path:
        """Return the file of the runs whose records are the lines of another file."""
        return lines.with_suffix(self.collected_suffix)

    def write(self, runs: Mapping[Key, Content], lines: Path) -> Path:
        """Write the content of runs next to the file of their records, and return the path."""
        path = self.collected_file(lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, self.serialize(runs))
        return path

    def load(
        self, records: Sequence[RunRecord], *roots: Path
    ) -> tuple[dict[Key, Content], list[str]]:
        """Load the content of records that `read_records` has read under the same folders.

        Returns:
            Content by run, and one line per problem: files that are damaged, and content that is
            not that of its record.
        """
        by_key = {record.key: record for record in records}
        runs: dict[Key, Content] = {}
        mismatches: dict[Key, str] = {}
        problems: list[str] = []
        for file, parse in self._files(list(by_key), roots):
            try:
                contents = parse(read_bytes(file))
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                problems.append(f"{file}: {error}")
                continue
            for key, content in contents.items():
                if key in runs or key not in by_key:
                    continue
                if reason := self.mismatch(by_key[key], content):
                    mismatches.setdefault(key, f"{file}: {reason}; force=true runs it again")
                else:
                    runs[key] = content
        problems += [problem for key, problem in mismatches.items() if key not in runs]
        return runs, problems

    def _files(
        self, keys: Sequence[Key], roots: Sequence[Path]
    ) -> Iterator[tuple[Path, Callable[[bytes], Mapping[Key, Content]]]]:
        """Yield the files that may exist for runs, each with the function that parses it."""
        folders: dict[tuple[str, ...], Key] = {(key[0], key[1].folder): key for key in keys}
        for root in roots:
            for name, has_lines in record_files(root, []):  # `read_records` reports its problems
                path = Path(name)
                if has_lines:
                    yield self.collected_file(path), self.parse_collected
                    continue
                places = (form(path).parts[-3:-1] for form in (Path.absolute, Path.resolve))
                if key := next((folders[place] for place in places if place in folders), None):
                    yield path.with_name(self.run_file), partial(self.parse_run, key)
