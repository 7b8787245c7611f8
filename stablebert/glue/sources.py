"""Sources of a task's data: the hub, a folder, the official TSV download of GLUE, the demo.

`resolve` finds the files of a task and identifies their content; `Source.read` returns the rows in
the hub's columns and order and checks every row.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stablebert import hub
from stablebert.demo import DEMO_TASKS, DIGESTS, HELD_OUT, ROWS, Row, demo_rows
from stablebert.filesystem import expand_path
from stablebert.glue.own_files import Files, find_own_files
from stablebert.glue.own_rows import read_own_rows
from stablebert.glue.parquet import read_parquet
from stablebert.glue.rows import DataError, schema_of
from stablebert.glue.tsv import read_tsv, tsv_files
from stablebert.hub import Content
from stablebert.tasks import Task, is_generated

if TYPE_CHECKING:
    import pyarrow as pa

MIN_DEMO_ROWS = 32


@dataclass(frozen=True)
class Source:
    """The files of a task, identified by their content.

    Attributes:
        task: The task.
        content: Identity of the files or generated rows, and the hub's commit.
        files: The files of each split, in row order.
        held_out: Training rows that a large task validates on.
    """

    task: Task
    content: Content
    files: Files
    held_out: int

    @property
    def identity(self) -> str:
        """Identity of the content."""
        return self.content.identity

    def read(self, split: str) -> "pa.Table":
        """Return the rows of a split: the text columns and `label`, in the order of the source.

        Args:
            split: One of the task's `source_splits`.

        Raises:
            DataError: If a file is unreadable or rows are malformed; the first few are described.
        """
        import pyarrow as pa

        files = self.files[split]
        if self.task.own:
            table = pa.concat_tables([read_own_rows(file, self.task) for file in files])
        elif files[0].suffix == ".parquet":
            table = pa.concat_tables([read_parquet(file, self.task) for file in files])
        else:
            table = read_tsv(files[0], self.task, *files[1:], dev=split != "train")
        if not len(table):
            raise DataError(f"{files[0]}: no rows")
        return table


@dataclass(frozen=True)
class DemoSource(Source):
    """Rows that are generated when they are read.

    Attributes:
        rows: Training rows, without those of the validation set.
        seed: Seed of the generator.
    """

    rows: int = ROWS
    seed: int = 0

    def generate(self, split: str) -> list[Row]:
        """Return the texts and the label of each row."""
        task = self.task
        return demo_rows(task.config, split, n=self.rows, seed=self.seed, holds_out=task.holds_out)

    def identify(self) -> Content:
        """Return the content of the rows, which are generated for it."""
        content = json.dumps([self.generate(split) for split in ("train", self.task.dev_split)])
        return _demo_content(hashlib.sha256(content.encode()).hexdigest()[:32])

    def read(self, split: str) -> "pa.Table":
        """Return the rows of a split, as `Source.read` does.

        Raises:
            DataError: If the rows do not match the digest in the package.
        """
        import pyarrow as pa

        if self.identity != self.identify().identity:
            raise DataError(
                f"the demo's rows of {self.task.config} are not those of DIGESTS in "
                "stablebert/demo/__init__.py: correct the generator or the digest"
            )
        texts, labels = zip(*self.generate(split), strict=True)
        columns = dict(zip(self.task.columns, zip(*texts, strict=True), strict=True))
        return pa.table({**columns, "label": labels}, schema=schema_of(self.task))


def resolve(
    source: str | Path, task: Task, revision: str | None = None, *, download: bool = True
) -> Source:
    """Find the files of a task and identify their content.

    Args:
        source: `hub`; a folder in the hub's parquet layout (`rte/train-*.parquet`) or the official
            TSV download (`RTE/train.tsv`); or `demo`, `demo:ROWS`, `demo:ROWS:SEED`, generated. For
            a user's task, a folder or the id of a dataset on the hub.
        task: The task; the 1k versions read the full task's files.
        revision: Commit, tag or branch of the hub's dataset; ignored for a folder, which has none.
        download: False accepts only what the hub's cache has, and uses no network.

    Raises:
        DataError: If the source is not a folder, has neither layout, lacks a split, or is the demo,
            which does not generate the task.
        stablebert.hub.HubError: If the hub cannot deliver the files.
    """
    if is_generated(str(source)):
        return _resolve_demo(str(source), task)
    if task.own:
        place = task.place(str(source))
        files, content = find_own_files(place, task, task.own, revision, download=download)
        return Source(task, content, files, task.held_out)
    if str(source) == "hub":
        folder = hub.fetch_glue(task.config, revision, download=download)
        files = {s: hub.shards(folder / task.config, s) for s in ("train", task.dev_split)}
        list_files = partial(hub.find_glue_files, config=task.config)
        content = hub.identify_snapshot(hub.GLUE, folder, list_files)
        return Source(task, content, files, task.held_out)
    folder = expand_path("data.source", source)
    if not folder.is_dir():
        raise DataError(
            f"data.source={str(source)!r} is not a folder; allowed: hub, demo or a folder"
        )
    files = _find_files(folder, task)
    digest = hub.digest(dict.fromkeys(file for paths in files.values() for file in paths))
    return Source(task, Content(f"sha256:{digest}"), files, task.held_out)


def _resolve_demo(source: str, task: Task) -> DemoSource:
    """Return the generated task that `demo`, `demo:ROWS` or `demo:ROWS:SEED` names."""
    _, *numbers = source.split(":")
    if len(numbers) > 2 or not all(re.fullmatch("[0-9]{1,6}", number) for number in numbers):
        raise DataError(f"data.source={source!r}; allowed: demo, demo:ROWS or demo:ROWS:SEED")
    rows, seed = (*map(int, numbers), *(ROWS, 0)[len(numbers) :])
    if rows < MIN_DEMO_ROWS:
        raise DataError(f"data.source={source!r}: ROWS must be at least {MIN_DEMO_ROWS}")
    if task.config not in DEMO_TASKS:
        raise DataError(
            f"data.source={source!r}: the demo does not generate {task.config}, only "
            f"{', '.join(DEMO_TASKS)}; use data.source=hub or a folder"
        )
    unidentified = DemoSource(task, Content(""), {}, HELD_OUT, rows, seed)
    if (rows, seed) == (ROWS, 0):
        return replace(unidentified, content=_demo_content(DIGESTS[task.config]))
    return replace(unidentified, content=unidentified.identify())


def _demo_content(digest: str) -> Content:
    return Content(f"demo sha256:{digest}")


def _find_files(folder: Path, task: Task) -> Files:
    """Return the files of both splits, in the first layout that has any of them."""
    splits = ("train", task.dev_split)
    layouts: list[Files] = [{split: hub.shards(folder / task.config, split) for split in splits}]
    candidates = [f"{task.config}/{split}-*.parquet" for split in splits]
    for layout in tsv_files(task):
        layouts.append({split: _existing(folder, names) for split, names in layout.items()})
        candidates += dict.fromkeys(name for names in layout.values() for name in names)
    files: Files = next((files for files in layouts if any(files.values())), {})
    if missing_splits := [split for split in splits if not files.get(split)]:
        names = [path.name for paths in files.values() for path in paths]
        message = (
            f"data.source={str(folder)!r}: {task.config} lacks {' and '.join(missing_splits)}, "
            f"or a shard of it; found {names or 'nothing'}, looked for {', '.join(candidates)}"
        )
        if not tsv_files(task):
            message += f"; stablebert/glue/tsv.py declares no TSV files of {task.config}"
        raise DataError(message)
    return files


def _existing(folder: Path, names: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the paths of files that belong together; none if one of them is missing."""
    paths = tuple(folder / name for name in names)
    return paths if all(path.is_file() for path in paths) else ()
