"""Files of a user's task: formats, encodings, labels, and errors with file, row and column."""

import codecs
import json
import re
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stablebert.glue.own_files import find_own_files
from stablebert.glue.own_rows import read_own_rows
from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import OwnData, Task
from stablebert.tasks.metric_entries import parse_metric
from stablebert.tasks.metrics import METRICS

FILES = (("train", "train"), ("dev", "dev"))
OWN = OwnData("", FILES)
REVIEWS = Task(
    *("mine", "mine", "mine", ("review",), ("bad", "good"), (METRICS["accuracy"],)),
    dev_split="dev",
    label_column="stars",
    own=OWN,
)
SCORES = replace(REVIEWS, labels=(), metrics=(METRICS["spearman"],))
ROWS = [("so, so", "bad"), ('he said "wow"', "good"), ("two\nlines", "good")]
FRAME = pd.DataFrame(ROWS, columns=["review", "stars"]).assign(idx=range(3))


def write_csv(path, frame=FRAME, **options):
    frame.to_csv(path, index=False, **options)


def write_saved(path):
    from datasets import ClassLabel, Dataset, Features, Value

    kind = ClassLabel(names=["good", "bad"])  # in another order than the task's
    features = Features(review=Value("string"), stars=kind, idx=Value("int64"))
    rows = {"review": [r for r, _ in ROWS], "stars": [s for _, s in ROWS], "idx": [0, 1, 2]}
    Dataset.from_dict(rows, features=features).save_to_disk(path.parent / "train")


WRITERS = {
    "train.csv": write_csv,
    "semicolon/train.csv": lambda path: write_csv(path, sep=";"),
    "tab/train.csv": lambda path: write_csv(path, sep="\t"),
    "crlf/train.csv": lambda path: write_csv(path, lineterminator="\r\n"),
    "bom/train.csv": lambda path: write_csv(path, encoding="utf-8-sig"),
    "utf16/train.csv": lambda path: write_csv(path, encoding="utf-16"),
    "train.tsv": lambda path: write_csv(path, sep="\t"),
    "train.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "train.json": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "train.parquet": lambda path: FRAME.to_parquet(path),
    "train/data-00000-of-00001.arrow": lambda path: write_saved(path.parent),
    "numbers/train.csv": lambda path: write_csv(path, FRAME.replace({"bad": 0, "good": 1})),
    "numbers.parquet": lambda path: FRAME.assign(stars=[0, 1, 1]).to_parquet(path),
    "floats.parquet": lambda path: FRAME.assign(stars=[0.0, 1.0, 1.0]).to_parquet(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(name, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    WRITERS[name](path)
    rows = [{"review": review, "label": ["bad", "good"].index(label)} for review, label in ROWS]
    assert read_own_rows(path, REVIEWS).to_pylist() == rows


def test_quotation_marks_are_text_in_a_tsv_file_that_is_not_quoted(tmp_path):
    (tmp_path / "a.tsv").write_text('review\tstars\n"Wow" she said\tgood\nan "odd one\tbad\n')
    rows = read_own_rows(tmp_path / "a.tsv", REVIEWS).to_pylist()
    assert [row["review"] for row in rows] == ['"Wow" she said', 'an "odd one']


@pytest.mark.parametrize(("value", "score"), [("2.5", 2.5), ("5", 5.0), ("1e0", 1.0)])
def test_scores_of_a_regression_are_numbers(tmp_path, value, score):
    (tmp_path / "a.csv").write_text(f"review,stars\nx,{value}\n")
    assert read_own_rows(tmp_path / "a.csv", SCORES)["label"].to_pylist() == [score]


def test_numbers_that_are_names_are_no_positions(tmp_path):
    (tmp_path / "a.csv").write_text("review,stars\nx,0\n")
    with pytest.raises(DataError, match=r"line 2: stars is '0'; allowed: 1, 2"):
        read_own_rows(tmp_path / "a.csv", replace(REVIEWS, labels=("1", "2")))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "", "no column 'review'"),
        ("a.csv", "text,stars\nx,bad\n", r"no column 'review', which tasks\.mine\.text names; .*"
                                         "'text', 'stars'"),
        ("a.csv", "review,review,stars\nx,y,bad\n", "more than one column 'review'"),
        ("a.csv", "review,stars\nx,bad\ny\n", "line 3: 1 column, but the header has 2"),
        ("a.csv", "review,stars\nx,bad,z\n", "line 2: 3 columns, but the header has 2"),
        ("a.csv", "review,stars\nx,awful\n", "line 2: stars is 'awful'; allowed: bad, good"),
        ("a.csv", "review,stars\nx,\n", "line 2: stars is empty: no label"),
        ("a.csv", "review,stars\n  ,bad\n", "line 2: review has no text"),
        ("a.csv", 'review,stars\n"two\nlines",bad\nx,no\n', "line 4: stars is 'no'"),
        ("a.csv", 'review,stars\nx,bad\n"y,bad\n', "line 3: unexpected end of data"),
        ("a.csv", b"review,stars\nx,bad\ncaf\xe9,bad\n", "line 3: not UTF-8: .*save the file as"),
        ("a.csv", codecs.BOM_UTF16_LE + b"r\0e", "line 1: not UTF-16"),
        ("a.tsv", "review\tstars\nx\n", "line 2: 1 column, but the header has 2"),
        ("a.jsonl", '{"review": "x", "stars": "bad"}\n{"review"\n', "line 2: not JSON"),
        ("a.jsonl", '["x", "bad"]\n', "line 1: not an object"),
        ("a.jsonl", '{"review": "x"}\n{"review": "y", "stars": "bad"}\n', "line 1: stars is empty"),
        ("a.jsonl", '{"review": 3, "stars": "bad"}\n', "line 1: review is 3, not a text"),
        ("a.jsonl", '{"review": "x", "stars": {"a": 1}}\n', "line 1: stars is {'a': 1}; allowed"),
        ("a.jsonl", '{"review": "x\\u0000", "stars": 1}\n', "line 1: review contains a NUL"),
        ("a.jsonl", '{"review": "x", "stars": -1}\n', "line 1: stars is -1; allowed: bad, good"),
        ("a.jsonl", "[" * 5000, "line 1: not JSON"),
        ("a.parquet", b"PAR1 cut short", "not a readable parquet file"),
        ("a.arrow", b"ARROW", "not a readable arrow file"),
    ],
)  # fmt: skip
def test_a_problem_names_file_row_and_column(tmp_path, name, content, problem):
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=rf"{re.escape(str(file))}: .*{problem}"):
        read_own_rows(file, REVIEWS)


@pytest.mark.parametrize(
    ("value", "label"), [(1, 0), (1.0, 0), (1.7, None), (-0.5, None), (-1, None), (True, None)]
)
def test_only_a_whole_number_has_the_name_that_the_file_gives_it(tmp_path, value, label):
    file = tmp_path / "a.parquet"
    table = pa.table({"review": ["x"], "stars": [value]})
    info = {"features": {"stars": {"names": ["good", "bad"]}}}
    metadata = {"huggingface": json.dumps({"info": info})}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    if label is not None:
        assert read_own_rows(file, REVIEWS)["label"].to_pylist() == [label]
        return
    with pytest.raises(DataError, match=rf"stars is {value}; allowed: bad, good"):
        read_own_rows(file, REVIEWS)


@pytest.mark.parametrize("value", ["nan", "9", "x", "1_0", "inf"])
def test_scores_out_of_range_are_reported(tmp_path, value):
    (tmp_path / "a.csv").write_text(f"review,stars\nx,{value}\n")
    with pytest.raises(DataError, match=rf"line 2: stars .*{value}.*allowed: .*0 to 5"):
        read_own_rows(tmp_path / "a.csv", SCORES)


# ---------------------------------------------------------------- files


def find(folder, task=REVIEWS, files=FILES):
    return find_own_files(str(folder), task, OwnData("", files), None, download=False)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_split_is_found_by_its_name(tmp_path, suffix):
    for split, _ in FILES:
        (tmp_path / f"{split}.{suffix}").write_text("x")
    assert find(tmp_path)[0] == {s: (tmp_path / f"{s}.{suffix}",) for s, _ in FILES}


def test_shards_are_found_in_order(tmp_path):
    (tmp_path / "data").mkdir()
    names = [f"data/{s}-0000{i}-of-00002.parquet" for s, _ in FILES for i in (0, 1)]
    for name in names:
        (tmp_path / name).write_text(name)
    assert [str(f.relative_to(tmp_path)) for f in find(tmp_path)[0]["train"]] == names[:2]


@pytest.mark.parametrize("name", ["train-*.csv", "train-*.jsonl"])
def test_a_missing_shard_of_any_format_is_reported(tmp_path, name):
    for i in (0, 2):
        (tmp_path / name.replace("*", f"0000{i}-of-00003")).write_text("x")
    with pytest.raises(DataError, match=re.escape(f"splits.train={name}")):
        find(tmp_path, files=(("train", name),))


def test_a_pattern_names_several_files(tmp_path):
    for name in ("a1.csv", "a2.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    found = find(tmp_path, files=(("train", "a*.csv"), ("dev", "b.csv")))[0]
    assert [file.name for file in found["train"]] == ["a1.csv", "a2.csv"]


def test_a_missing_split_is_reported_with_what_there_is(tmp_path):
    (tmp_path / "train.csv").write_text("x")
    with pytest.raises(DataError, match=r"splits\.dev=dev; looked for dev\.csv.* has train\.csv"):
        find(tmp_path)


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"task=mine: data\.source='.*absent' is not a folder"):
        find(tmp_path / "absent")


@pytest.fixture
def folder(tmp_path):
    for split, _ in FILES:
        write_csv(tmp_path / f"{split}.csv")
    return tmp_path


def test_all_splits_are_read(folder):
    source = resolve(folder, REVIEWS)
    assert [len(source.read(split)) for split in REVIEWS.source_splits] == [3, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("good", "bad")},
        {"label_column": "idx"},
        {"metrics": (METRICS["f1"],)},
        {"metrics": (parse_metric({"F1Score": {"average": "macro"}}, num_labels=2),)},
        {"samples": 9},
    ],
)
def test_the_entry_belongs_to_the_identity(folder, change):
    assert find(folder)[1] != find(folder, replace(REVIEWS, **change))[1]


def test_title_and_steps_do_not_belong_to_the_identity(folder):
    other = replace(REVIEWS, title="Reviews", own=replace(OWN, source="x", longer_steps=9))
    assert find(folder)[1] == find(folder, other)[1]


def test_the_content_of_the_files_belongs_to_the_identity(folder):
    before = find(folder)[1]
    write_csv(folder / "dev.csv", FRAME[:2])
    assert find(folder)[1] != before


def test_the_place_of_the_files_does_not_belong_to_the_identity(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("elsewhere")
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert find(folder)[1] == find(copy)[1]


def test_keys_of_json_lines_may_differ_between_lines(tmp_path):
    lines = [{"review": "x", "stars": 0}, {"stars": 1, "note": "n", "review": "y"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert read_own_rows(tmp_path / "a.jsonl", REVIEWS)["label"].to_pylist() == [0, 1]
