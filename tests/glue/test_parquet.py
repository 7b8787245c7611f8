"""Parquet files of the hub's layout."""

import json
import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import TASKS


def write_parquet(tmp_path, config, columns, dev=None):
    for split in ("train", "validation"):
        path = tmp_path / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
    return resolve(tmp_path, TASKS[config])


@pytest.mark.parametrize(
    ("config", "columns", "reason"),
    [
        ("cola", {"sentence": ["a", "b"], "label": [0, 2]}, r"row \(from 0\) 1: label 2, allow"),
        ("cola", {"sentence": ["a", "b"], "label": [-1, 1]}, r"0: label -1, .*the hidden labels"),
        ("cola", {"sentence": ["a", "b"], "label": [0, None]}, "1: no label"),
        ("cola", {"sentence": ["a", ""], "label": [0, 1]}, "1: sentence has no text"),
        ("cola", {"sentence": [None, "a"], "label": [0, 1]}, "0: sentence has no text"),
        ("cola", {"sentence": ["a", "b\0"], "label": [0, 1]}, "1: sentence contains a NUL"),
        ("cola", {"sentence": ["a"], "label": [True]}, "column 'label' is bool, not class"),
        ("cola", {"sentence": ["a"], "label": [1.0]}, "column 'label' is double, not class"),
        ("cola", {"sentence": [b"a"], "label": [1]}, "column 'sentence' is binary, not string"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [float("inf")]}, "label inf"),
        ("cola", {"sentence": ["a"]}, r"no column \['label'\]"),
        ("cola", {"sentence": ["a"], "label": ["1"]}, "column 'label' is string, not class"),
        ("cola", {"sentence": [1], "label": [1]}, "column 'sentence' is int64, not string"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [1]}, "is int64, not numbers"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [float("nan")]}, "0: label nan"),
        ("stsb", {"sentence1": ["a"], "sentence2": ["b"], "label": [-0.5]}, "0: label -0.5"),
    ],
)  # fmt: skip
def test_malformed_file_is_reported(config, columns, reason, tmp_path):
    with pytest.raises(DataError, match=rf"train-00000-of-00001\.parquet: .*{reason}"):
        write_parquet(tmp_path, config, columns).read("train")


def test_only_the_label_of_glues_test_set_is_explained(tmp_path):
    with pytest.raises(DataError, match=r"label 2, allowed: 0 to 1$"):
        write_parquet(tmp_path, "cola", {"sentence": ["a"], "label": [2]}).read("train")


def test_every_malformed_row_is_counted_from_0(tmp_path):
    columns = {"sentence": ["a", "", "b", "c"], "label": [0, 1, 3, -1]}
    message = (
        "parquet: 3 malformed rows: row (from 0) 1: sentence has no text; row (from 0) 2: label 3, "
        "allowed: 0 to 1; row (from 0) 3: label -1, allowed: 0 to 1 (-1 marks the hidden labels of "
        "GLUE's test set)"
    )
    with pytest.raises(DataError, match=f"{re.escape(message)}$"):
        write_parquet(tmp_path, "cola", columns).read("train")


@pytest.mark.parametrize("score", [0.0, 5.0])
def test_bounds_of_the_scores_are_allowed(tmp_path, score):
    rows = {"sentence1": ["a"], "sentence2": ["b"], "label": [score]}
    assert write_parquet(tmp_path, "stsb", rows).read("train")["label"].to_pylist() == [score]


def test_other_integer_and_text_types_are_converted(tmp_path):
    columns = {
        "sentence": pa.array(["a"], pa.large_string()),
        "label": pa.array([1], pa.int8()),
    }
    rows = write_parquet(tmp_path, "cola", columns).read("train")
    assert rows.schema.types == [pa.string(), pa.int64()]


def test_other_columns_are_not_read(tmp_path):
    columns = {"idx": [7], "label": [1], "sentence": ["a"]}
    rows = write_parquet(tmp_path, "cola", columns).read("train")
    assert rows.to_pylist() == [{"sentence": "a", "label": 1}]


def test_label_names_of_the_task_are_accepted(tmp_path):
    info = {"info": {"features": {"label": {"names": list(TASKS["cola"].labels)}}}}
    table = pa.table({"sentence": ["a"], "label": [0]}).replace_schema_metadata(
        {"huggingface": json.dumps(info)}
    )
    assert len(write_parquet(tmp_path, "cola", table).read("train")) == 1


def test_a_repeated_column_is_refused(tmp_path):
    table = pa.Table.from_arrays([["a"], [0], [1]], names=["sentence", "label", "label"])
    with pytest.raises(DataError, match=r"more than one column \['label'\]"):
        write_parquet(tmp_path, "cola", table).read("train")


def test_text_that_is_not_utf8_is_refused(tmp_path):
    text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"a\xff"], pa.binary()).buffers())
    with pytest.raises(DataError, match=r"00001\.parquet: not a readable parquet file: .*UTF-?8"):
        write_parquet(tmp_path, "cola", {"sentence": text, "label": [0]}).read("train")


def test_a_label_beyond_64_bits_is_refused(tmp_path):
    columns = {"sentence": ["a"], "label": pa.array([2**63], pa.uint64())}
    with pytest.raises(DataError, match=r"00001\.parquet: malformed rows: .*not in range"):
        write_parquet(tmp_path, "cola", columns).read("train")


def test_label_names_that_are_no_list_are_refused(tmp_path):
    metadata = {"huggingface": b'{"info": {"features": {"label": {"names": 3}}}}'}
    table = pa.table({"sentence": ["a"], "label": [0]}).replace_schema_metadata(metadata)
    with pytest.raises(DataError, match=r"00001\.parquet: labels are 3, cola needs"):
        write_parquet(tmp_path, "cola", table).read("train")


def test_a_column_name_that_is_not_utf8_is_refused(tmp_path):
    source = write_parquet(tmp_path, "cola", {"sentence": ["a"], "label": [0]})
    file = source.files["train"][0]
    file.write_bytes(file.read_bytes().replace(b"sentence", b"sent\xf3nce"))
    with pytest.raises(DataError, match=r"00001\.parquet: not a readable parquet file"):
        source.read("train")


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": []}'])
def test_damaged_metadata_are_reported(tmp_path, metadata):
    table = pa.table({"sentence": ["a"], "label": [0]}).replace_schema_metadata(
        {"huggingface": metadata}
    )
    with pytest.raises(DataError, match="the metadata 'huggingface' is damaged"):
        write_parquet(tmp_path, "cola", table).read("train")


def test_label_names_in_another_order_are_refused(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"sentence": Value("string"), "label": ClassLabel(names=["good", "bad"])})
    rows = Dataset.from_dict({"sentence": ["a"], "label": [0]}, features=features)
    (tmp_path / "cola").mkdir()
    for split in ("train", "validation"):
        rows.to_parquet(tmp_path / "cola" / f"{split}-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"\['good', 'bad'\], cola needs \['unacceptable', 'acc"):
        resolve(tmp_path, TASKS["cola"]).read("train")


def test_unreadable_file_is_reported(tmp_path):
    (tmp_path / "cola").mkdir()
    for split in ("train", "validation"):
        (tmp_path / "cola" / f"{split}-00000-of-00001.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(DataError, match="not a readable parquet file"):
        resolve(tmp_path, TASKS["cola"]).read("train")


def test_null_questions_of_qqp_become_empty_texts(tmp_path):
    columns = {"question1": ["a", None], "question2": ["", "b"], "label": [0, 1]}
    rows = write_parquet(tmp_path, "qqp", columns).read("train")
    assert rows["question1"].to_pylist() == ["a", ""]
    assert rows["question2"].to_pylist() == ["", "b"]


def test_labels_of_a_regression_are_checked_against_its_score_range(tmp_path):
    rows = {"sentence1": ["a"], "sentence2": ["b"], "label": [7.0]}
    write_parquet(tmp_path, "stsb", rows)
    task = replace(TASKS["stsb"], score_range=(0, 10))
    assert resolve(tmp_path, task).read("train")["label"].to_pylist() == [7.0]
