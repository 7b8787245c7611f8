"""Where GLUE comes from: the hub, a folder in its layout, the official TSV download, or the demo.

`resolve` finds the files and names their content; `Source.read` returns their rows in the hub's
columns and order, after checking every one of them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablebert import hub
from stablebert.demo import HELD_OUT, ROWS, Row, demo_rows
from stablebert.errors import ActionableError
from stablebert.tasks import Task, is_generated

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

SHOWN = 5  # problems spelled out in one error
MIN_DEMO_ROWS = 32


class DataError(ActionableError, ValueError):
    """Data that cannot be used; the message names file, row and reason."""


@dataclass(frozen=True)
class Tsv:
    """A task in the official GLUE download (`gluebenchmark.com/tasks`).

    Attributes:
        folder: Its folder.
        columns: Text columns and then the label, by name; by position where there is no header.
        labels: Label by its text; empty where the label is a number as it stands.
        dev: The dev file.
    """

    folder: str
    columns: tuple[str, ...] | tuple[int, ...]
    labels: dict[str, int] = field(default_factory=lambda: {"0": 0, "1": 1})
    dev: str = "dev.tsv"


_NLI = {"entailment": 0, "not_entailment": 1}
TSV = {
    "rte": Tsv("RTE", ("sentence1", "sentence2", "label"), _NLI),
    "mrpc": Tsv("MRPC", ("#1 String", "#2 String", "Quality")),
    "stsb": Tsv("STS-B", ("sentence1", "sentence2", "score"), {}),
    "cola": Tsv("CoLA", (3, 1)),
    "sst2": Tsv("SST-2", ("sentence", "label")),
    "qnli": Tsv("QNLI", ("question", "sentence", "label"), _NLI),
    "qqp": Tsv("QQP", ("question1", "question2", "is_duplicate")),
    "mnli": Tsv(
        "MNLI",
        ("sentence1", "sentence2", "gold_label"),
        {"entailment": 0, "neutral": 1, "contradiction": 2},
        dev="dev_matched.tsv",
    ),
}

# MRPC as Microsoft ships it: GLUE's dev rows are those whose pair of ids is listed.
MRPC_ROWS, MRPC_DEV_IDS = "msr_paraphrase_train.txt", "dev_ids.tsv"

# QQP's official file has a few rows cut short, which the hub's conversion and the released code
# both skip; two questions have no text (huggingface/datasets#277). No other task is known for it.
GAPS = {"qqp"}


@dataclass(frozen=True)
class Source:
    """The files of a task, found and named by their content.

    Attributes:
        task: The task.
        identity: The content: `nyu-mll/glue@COMMIT`, or `sha256:HEX` over names and bytes.
        revision: The hub's commit; None for a folder.
        files: The files of `train` and of the dev split, in row order.
        held_out: Training rows that a large task validates on.
    """

    task: Task
    identity: str
    revision: str | None
    files: dict[str, tuple[Path, ...]]
    held_out: int = 1000

    def read(self, split: str) -> pa.Table:
        """Rows of a split: the text columns and `label` (int64; float32 for STS-B), source order.

        Args:
            split: `train` or the task's `dev_split`.

        Raises:
            DataError: A file cannot be read, or rows are malformed; the first few are named.
        """
        import pyarrow as pa

        files = self.files[split]
        if files[0].suffix == ".parquet":
            tables = [_read_parquet(file, self.task) for file in files]
        else:
            tables = [_read_tsv(files[0], self.task, split, *files[1:])]
        table = pa.concat_tables(tables)
        if not len(table):
            raise DataError(f"{files[0]}: no rows")
        return table


@dataclass(frozen=True)
class DemoSource(Source):
    """Rows that are generated when they are read.

    Attributes:
        rows: Training rows, without those held out.
        seed: Of the generator.
    """

    rows: int = ROWS
    seed: int = 0

    def generated(self, split: str) -> list[Row]:
        """Texts and label of each row."""
        task = self.task
        return demo_rows(task.config, split, n=self.rows, seed=self.seed, holds_out=task.holds_out)

    def read(self, split: str) -> pa.Table:
        """As `Source.read`."""
        import pyarrow as pa

        texts, labels = zip(*self.generated(split), strict=True)
        columns = dict(zip(self.task.columns, zip(*texts, strict=True), strict=True))
        return pa.table({**columns, "label": labels}, schema=_schema(self.task))


def _demo(source: str, task: Task) -> DemoSource:
    """The demo task that `demo`, `demo:ROWS` or `demo:ROWS:SEED` means."""
    _, *numbers = source.split(":")
    if len(numbers) > 2 or not all(re.fullmatch("[0-9]{1,6}", number) for number in numbers):
        raise DataError(f"data.source={source!r}; allowed: demo, demo:ROWS or demo:ROWS:SEED")
    rows, seed = (*map(int, numbers), *(ROWS, 0)[len(numbers) :])
    if rows < MIN_DEMO_ROWS:
        raise DataError(f"data.source={source!r}: at least {MIN_DEMO_ROWS} rows")
    found = DemoSource(task, "", None, {}, HELD_OUT, rows, seed)
    content = json.dumps([found.generated(split) for split in ("train", task.dev_split)])
    digest = hashlib.sha256(content.encode()).hexdigest()
    return replace(found, identity=f"demo sha256:{digest[:32]}")


def resolve(source: str | Path, task: Task, revision: str | None = None) -> Source:
    """The files of a task.

    Args:
        source: `hub`; a folder: the hub's parquet layout (`rte/train-*.parquet`) or the official
            TSV download (`RTE/train.tsv`); or `demo`, `demo:ROWS`, `demo:ROWS:SEED`, generated.
        task: The task; the 1k versions read the full task's files.
        revision: Commit, tag or branch of the hub's dataset; a folder has none and ignores it.

    Raises:
        DataError: Not a folder, neither layout, or a split is missing.
        stablebert.hub.HubError: The hub cannot deliver.
    """
    if str(source) == "hub":
        folder = hub.fetch_glue(task.config, revision)
        files = {s: hub.shards(folder / task.config, s) for s in ("train", task.dev_split)}
        return Source(task, f"{hub.GLUE}@{folder.name}", folder.name, files)
    if is_generated(str(source)):
        return _demo(str(source), task)
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise DataError(f"data.source={str(source)!r} is no folder; allowed: hub, demo or a folder")
    files = _find(folder, task)
    content = hub.digest(dict.fromkeys(file for part in files.values() for file in part))
    return Source(task, f"sha256:{content}", None, files)


def _find(folder: Path, task: Task) -> dict[str, tuple[Path, ...]]:
    """The files of both splits, in the first layout of which there is any file."""
    tsv, splits = TSV[task.config], ("train", task.dev_split)
    parquet = {split: hub.shards(folder / task.config, split) for split in splits}
    pairs = dict(zip(splits, ("train.tsv", tsv.dev), strict=True))
    plain = {s: tuple(f for f in [folder / tsv.folder / pairs[s]] if f.is_file()) for s in splits}
    looked = [f"{task.config}/{split}-*.parquet" for split in splits]
    looked += [f"{tsv.folder}/{name}" for name in pairs.values()]
    layouts = [parquet, plain]
    if task.config == "mrpc":
        msr = tuple(folder / tsv.folder / name for name in (MRPC_ROWS, MRPC_DEV_IDS))
        looked += [f"{tsv.folder}/{file.name}" for file in msr]
        layouts.insert(1, dict.fromkeys(splits, msr if all(f.is_file() for f in msr) else ()))
    found = next((files for files in layouts if any(files.values())), {})
    if missing := [split for split in splits if not found.get(split)]:
        names = [file.name for files in found.values() for file in files]
        raise DataError(
            f"data.source={str(folder)!r}: {task.config} lacks {' and '.join(missing)}, or a shard "
            f"of it; found {names or 'nothing'}, looked for {', '.join(looked)}"
        )
    return found


def _read_parquet(file: Path, task: Task) -> pa.Table:
    """A parquet file's text and label columns, checked; its rows count from 0."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [*task.columns, "label"]
    try:
        schema = pq.read_schema(file)
        if missing := [c for c in wanted if c not in schema.names]:
            raise DataError(f"{file}: no column {missing}; has {schema.names}, needs {wanted}")
        table = pq.read_table(file, columns=wanted)
    except (OSError, pa.ArrowException) as e:
        raise DataError(f"{file}: not a readable parquet file: {e}") from e
    info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {})
    names = info.get("features", {}).get("label", {}).get("names")
    if names is not None and tuple(names) != task.labels:
        raise DataError(f"{file}: labels are {names}, {task.config} needs {list(task.labels)}")
    right = pa.types.is_floating if task.regression else pa.types.is_integer
    if not right(table.schema.field("label").type):
        kind = "numbers (float32)" if task.regression else "class numbers (int64)"
        raise DataError(f"{file}: column 'label' is {table.schema.field('label').type}, not {kind}")
    for column in task.columns:
        kind = table.schema.field(column).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise DataError(f"{file}: column {column!r} is {kind}, not string")
    table = table.cast(_schema(task))
    _refuse(file, "row (from 0)", dict(_problems(table, task)))
    return _with_text(table)


def _read_tsv(file: Path, task: Task, split: str, dev_ids: Path | None = None) -> pa.Table:
    """A TSV file's text and label columns, checked; its lines count from 1, header included."""
    import pyarrow as pa

    tsv = TSV[task.config]
    columns: dict[str, list[Any]] = {name: [] for name in (*task.columns, "label")}
    lines, problems, skipped = [], {}, 0
    rows = _rows(file)
    if isinstance(tsv.columns[0], int):
        places = list(tsv.columns)
    else:
        header = next(rows, (1, []))[1]
        if missing := [c for c in tsv.columns if c not in header]:
            raise DataError(f"{file}: no column {missing}; the header is {header}")
        places = [header.index(c) for c in tsv.columns]
    if dev_ids:
        rows = _mrpc_rows(file, header, rows, dev_ids, dev=split != "train")
    for line, row in rows:
        complete = len(row) > max(places)
        if task.config in GAPS and not (complete and row[places[-1]]):
            skipped += 1
            continue
        if not complete:
            problems[line] = f"{len(row)} columns, {max(places) + 1} needed"
            continue
        *texts, label = (row[place] for place in places)
        try:
            value = tsv.labels[label] if tsv.labels else float(label)
        except (KeyError, ValueError):
            allowed = ", ".join(tsv.labels) or "a number from 0 to 5"
            problems[line] = f"label {label!r}, allowed: {allowed}" if label else "no label"
            continue
        lines.append(line)
        for name, cell in zip(columns, (*texts, value), strict=True):
            columns[name].append(cell)
    table = pa.table(columns, schema=_schema(task))
    problems |= {lines[row]: reason for row, reason in _problems(table, task)}
    _refuse(file, "line", problems)
    if skipped:
        log.warning("%s: skipped %d incomplete rows, as the hub's version does", file, skipped)
    return table


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 1 and cells. Quotes are text (QUOTE_NONE); an empty line holds no row."""
    try:
        with file.open(encoding="utf-8-sig") as f:
            for line, text in enumerate(f, start=1):
                if cells := text.rstrip("\n"):
                    yield line, cells.split("\t")
    except UnicodeDecodeError as e:
        raise DataError(f"{file}: not UTF-8: {e}") from e


def _mrpc_rows(
    file: Path, header: list[str], rows: Iterator[tuple[int, list[str]]], dev_ids: Path, dev: bool
) -> Iterator[tuple[int, list[str]]]:
    """The rows of Microsoft's file that are in GLUE's dev set, or those that are not."""
    if missing := [c for c in ("#1 ID", "#2 ID") if c not in header]:
        raise DataError(f"{file}: no column {missing}; the header is {header}")
    places = [header.index("#1 ID"), header.index("#2 ID")]
    listed = {tuple(cells[:2]): line for line, cells in _rows(dev_ids) if cells[0].isdigit()}
    unseen = set(listed)
    for line, row in rows:
        pair = tuple(row[place] for place in places) if len(row) > max(places) else ()
        unseen.discard(pair)
        if (pair in listed) == dev:
            yield line, row
    if unseen:
        pairs = {listed[pair]: f"{file.name} has no pair {pair}" for pair in unseen}
        _refuse(dev_ids, "line", pairs)


def _schema(task: Task) -> pa.Schema:
    import pyarrow as pa

    label = pa.float32() if task.regression else pa.int64()
    return pa.schema([*((c, pa.string()) for c in task.columns), ("label", label)])


def _problems(table: pa.Table, task: Task) -> Iterator[tuple[int, str]]:
    """Rows whose text or label cannot be used, with the reason."""
    import pyarrow.compute as pc

    def rows(mask: Any) -> list[int]:
        return list(pc.indices_nonzero(pc.fill_null(mask, True)).to_pylist())

    if task.config not in GAPS:
        for column in task.columns:
            for row in rows(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(table[column])), 0)):
                yield row, f"{column} has no text"
    label = table["label"]
    high = 5 if task.regression else task.num_labels - 1
    inside = pc.and_(pc.greater_equal(label, 0), pc.less_equal(label, high))  # False for NaN
    for row in rows(pc.invert(inside)):
        value = label[row].as_py()
        hidden = " (-1 marks the hidden labels of GLUE's test set)" if value == -1 else ""
        yield row, "no label" if value is None else f"label {value}, allowed: 0 to {high}{hidden}"


def _with_text(table: pa.Table) -> pa.Table:
    """Null texts, which only QQP may have, as empty ones."""
    import pyarrow.compute as pc

    for i, name in enumerate(table.schema.names[:-1]):
        if table[name].null_count:
            table = table.set_column(i, name, pc.fill_null(table[name], ""))
    return table


def _refuse(file: Path, unit: str, problems: dict[int, str]) -> None:
    """Raises a DataError that names the first problems of a file, if there are any."""
    if problems:
        first = [
            f"{unit} {row}: {reason}" for row, reason in islice(sorted(problems.items()), SHOWN)
        ]
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise DataError(f"{file}: {len(problems)} malformed rows: {'; '.join(first)}{more}")
