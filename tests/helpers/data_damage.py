"""Small GLUE tasks in every file layout, and damage to their files."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq

from stablebert.glue.rows import schema_of
from stablebert.tasks import TASKS
from tests.helpers.official_glue import write_tsv

TASK_NAMES = ["rte", "mrpc", "stsb", "cola", "sst2", "qnli", "qqp", "mnli"]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1340\n"
PAGES = [b"", LFS, b"<!DOCTYPE html><html>Please log in</html>", b"PAR1", b"\0" * 500]
TEXTS = ["", " ", "\0", "a\0b", '"', '"a""b"', "a\tb", "\ufeff", "é", "\u2028", "x" * 10**5]
CELLS = [*TEXTS, "NULL", "-1", "0", "1", "2", "3", "1.0", "5.01", "nan", "1e0", "1_0", "٣"]
BYTES = [b"\0", b"\xff", b"\t", b"\n", b"\r", b"\r\n", b'"', b"\xef\xbb\xbf", b"\xed\xa0\x80"]
TYPES = [pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.string(), pa.large_string()]
TYPES += [pa.binary(), pa.bool_(), pa.dictionary(pa.int32(), pa.string()), pa.decimal128(5, 2)]


def write_task(folder, number):
    """Write a task in a layout that the number determines.

    Returns:
        The task, and its files.
    """
    rng = random.Random(f"{number % 24} task")
    task = TASKS[TASK_NAMES[number % 8]]
    tables = {s: _make_table(task, n, rng) for s, n in (("train", 40), (task.dev_split, 20))}
    shards = (0, 1, 2)[number % 3]
    if not shards:
        return task, list(write_tsv(folder, task, tables).values())
    paths = []
    (folder / task.config).mkdir(parents=True)
    for split, table in tables.items():
        names = {"features": {"label": {"names": list(task.labels)}}} if task.labels else {}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": names})})
        for i in range(shards):
            paths.append(folder / task.config / f"{split}-{i:05}-of-{shards:05}.parquet")
            pq.write_table(table.slice(i * len(table) // shards, len(table) // shards), paths[-1])
    return task, paths


def _make_table(task, rows, rng):
    columns = {c: [_make_text(rng) for _ in range(rows)] for c in task.columns}
    labels = [i % 26 / 5 if task.regression else i % task.num_labels for i in range(rows)]
    return pa.table({**columns, "label": labels}, schema=schema_of(task))


def _make_text(rng):
    words = " ".join(rng.choices(["the", "cat", "'s", "naïve", "3.5", "(", "N'T"], k=5))
    return rng.choice([words, f'"{words}"', f'{words} "'])


def damage_data(task, paths, number):
    """Damage a task's files in a way that the number determines, and describe it.

    Returns:
        Description, and the damaged files.
    """
    rng = random.Random(number)
    file = rng.choice(paths)
    kind = rng.choice(["bytes", "bytes", "file", "rows", "rows", "rows"])
    if kind == "bytes":
        return f"{file.name}: {_change_bytes(file, rng)}", [file]
    if kind == "file":
        other = rng.choice([path for path in paths if path != file])
        return f"{file.name}: {_change_file(file, other, rng)}", [file, other]
    change = _change_table if file.suffix == ".parquet" else _change_lines
    return f"{file.name}: {change(task, file, rng)}", [file]


def _change_bytes(file, rng):
    content = bytearray(file.read_bytes())
    at = rng.randrange(len(content))
    kind = rng.choice(["bit", "byte", "insert", "delete", "truncate", "page", "zeros", "end"])
    if kind == "bit":
        content[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        content[at] = rng.randrange(256)
    elif kind == "insert":
        content[at:at] = rng.choice(BYTES)
    elif kind == "delete":
        del content[at : at + rng.choice([1, 10, 500])]
    elif kind == "truncate":
        del content[at:]
    elif kind == "page":
        content = rng.choice(PAGES)
    elif kind == "zeros":
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    else:
        content += rng.choice([*BYTES, b"x", b"PAR1"])
    file.write_bytes(content)
    return kind


def _change_file(file, other, rng):
    kind = rng.choice(["removed", "folder", "dangling", "swapped", "copied", "renamed", "surplus"])
    content = file.read_bytes()
    file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind == "dangling":
        file.symlink_to("absent")
    elif kind == "swapped":
        file.write_bytes(other.read_bytes())
        other.write_bytes(content)
    elif kind == "copied":
        file.write_bytes(other.read_bytes())
    elif kind == "renamed":
        names = [file.name.upper(), f"{file.name}.1", file.name.replace("00001", "00002")]
        file.with_name(rng.choice(names)).write_bytes(content)
    elif kind == "surplus":
        file.write_bytes(content)
        file.with_name(file.name.replace("00000-", "00002-")).write_bytes(content)
    return kind


def _change_lines(_, file, rng):
    """Change a cell, a column, or the lines of a TSV file."""
    lines = file.read_text("utf-8").split("\n")
    at = rng.randrange(len(lines) - 1)
    kind = rng.choice(
        ["cell", "cell", "remove cell", "add cell", "repeat", "drop", "swap", "column"]
    )
    cells = lines[at].split("\t")
    place = rng.randrange(len(cells))
    if kind == "cell":
        cells[place] = rng.choice(CELLS)
    elif kind == "remove cell":
        del cells[place]
    elif kind == "add cell":
        cells.insert(place, rng.choice(CELLS))
    lines[at] = "\t".join(cells)
    if kind == "repeat":
        lines.insert(at, lines[at])
    elif kind == "drop":
        del lines[at]
    elif kind == "swap":
        other = rng.randrange(len(lines) - 1)
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "column":
        lines = ["\t".join(line.split("\t")[:place]) for line in lines]
    file.write_text("\n".join(lines), "utf-8", newline="")
    return kind


def _change_table(task, file, rng):
    """Change a value, a type, a column, the rows or the metadata of a parquet file."""
    table = pq.read_table(file)
    column = rng.choice(table.schema.names)
    index = table.schema.names.index(column)
    kind = rng.choice(["value", "value", "type", "drop", "rename", "again", "rows", "labels"])
    if kind == "value":
        values = table[column].to_pylist()
        values[rng.randrange(len(values))] = _other_value(task, column, rng)
        is_class = column == "label" and not task.regression
        kind_of_value = pa.uint64() if is_class and 2**63 in values else table.field(column).type
        table = table.set_column(index, column, pa.array(values, kind_of_value))
    elif kind == "type":
        table = _cast(table, index, rng.choice(TYPES))
    elif kind == "drop":
        table = table.drop_columns([column])
    elif kind == "rename":
        names = list(table.schema.names)
        names[index] = rng.choice(["idx", column.upper(), "", *names])
        table = table.rename_columns(names)
    elif kind == "again":
        table = table.append_column(column, table[column])
    elif kind == "rows":
        keep = rng.choice([0, 1, len(table) - 1])
        table = rng.choice([table.slice(0, keep), pa.concat_tables([table, table.slice(0, keep)])])
    else:
        names = rng.choice([list(reversed(task.labels)), ["0", "1"], [], 3, {"a": 1}, None])
        info = rng.choice([{"features": {"label": {"names": names}}}, {"features": names}, names])
        text = json.dumps({"info": info}) if rng.random() < 0.8 else "{"
        table = table.replace_schema_metadata({"huggingface": text})
    pq.write_table(table, file)
    return f"{column} {kind}"


def _other_value(task, column, rng):
    if column != "label":
        return rng.choice([*TEXTS, None])
    if task.regression:
        return rng.choice([None, -1.0, 5.5, 1e30, float("nan"), float("inf"), -0.0, 2.5])
    return rng.choice([None, -1, 0, 1, 2, 3, 2**40, 2**63])


def _cast(table, index, kind):
    """Return a table with another type of a column, or with other values if there is no cast."""
    name, column = table.schema.names[index], table.column(index)
    try:
        return table.set_column(index, name, column.cast(kind))
    except pa.ArrowException:
        return table.set_column(index, name, pa.nulls(len(table), kind))
