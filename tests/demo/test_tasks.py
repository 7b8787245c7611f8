"""The rows of the generated tasks, and the demo as a source of data."""

import hashlib
import json

import numpy as np
import pytest

from stablebert.config.compose import compose
from stablebert.demo import DEMO_TASKS, demo_rows
from stablebert.demo.tasks import GENERATORS
from stablebert.errors import ConfigError
from stablebert.glue.datamodule import data_module
from stablebert.glue.rows import DataError
from stablebert.glue.sources import resolve
from stablebert.tasks import TASKS

NAMES = [name for name in TASKS if name in DEMO_TASKS]
CLASSIFICATION = [name for name in NAMES if not TASKS[name].regression]
DIGEST = "fb6e3a45f8f0160a600c65ffaec913311e8a4b25cec84fcb010ef8cbd27f5872"


def rows_of(name, part="train", n=500, seed=0):
    return demo_rows(name, part, n=n, seed=seed, holds_out=TASKS[name].holds_out)


def all_rows(name):
    return [row for part in ("train", "dev") for row, _ in rows_of(name, part)]


def labels_of(name):
    return np.array([label for _, label in rows_of(name)])


def test_the_demo_generates_every_task_of_the_paper():
    assert set(DEMO_TASKS) == {"rte", "mrpc", "stsb", "cola", "sst2", "qnli", "qqp", "mnli"}


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_columns_of_the_task(name):
    assert {len(row) for row in all_rows(name)} == {len(TASKS[name].columns)}


@pytest.mark.parametrize("name", NAMES)
def test_sentences_have_6_to_14_words(name):
    assert all(6 <= len(text.split()) <= 14 for row in all_rows(name) for text in row)


@pytest.mark.parametrize("name", NAMES)
def test_sentences_are_punctuated(name):
    texts = [text for row in all_rows(name) for text in row]
    assert all(text[-1] in ".?" and text[0].isupper() and "  " not in text for text in texts)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_occurs_twice_in_train_and_dev(name):
    rows = all_rows(name)
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_class_shares_are_as_declared(name):
    labels = labels_of(name).astype(int)
    shares = np.bincount(labels, minlength=TASKS[name].num_labels) / len(labels)
    assert np.abs(shares - GENERATORS[name][1]).max() < 0.07


def test_grades_of_stsb_cover_0_to_5():
    grades = labels_of("stsb")
    assert (grades.min(), grades.max()) == (0, 5)
    assert len(np.unique(grades)) > 15


@pytest.mark.parametrize("name", ["cola", "qnli"])
def test_more_rows_keep_the_first_ones(name):
    few, many = rows_of(name, n=40), rows_of(name, n=90)
    assert many[: len(few)] == few


@pytest.mark.parametrize("name", ["cola", "qnli"])
def test_more_training_rows_keep_the_dev_rows(name):
    assert rows_of(name, "dev", n=40) == rows_of(name, "dev", n=90)


@pytest.mark.parametrize("name", ["cola", "qnli"])
def test_another_seed_gives_other_rows(name):
    assert not set(rows_of(name, n=40)) & set(rows_of(name, n=40, seed=1))


def test_rows_are_the_same_on_every_machine():
    content = {name: [rows_of(name, part) for part in ("train", "dev")] for name in NAMES}
    assert hashlib.sha256(json.dumps(content).encode()).hexdigest() == DIGEST


# ---------------------------------------------------------------- the demo as a source


@pytest.mark.parametrize("name", NAMES)
def test_source_has_the_columns_of_the_hub(name):
    table = resolve("demo", TASKS[name]).read("train")
    assert table.schema.names == [*TASKS[name].columns, "label"]


@pytest.mark.parametrize("name", NAMES)
def test_source_has_the_generated_labels(name):
    labels = resolve("demo", TASKS[name]).read("train")["label"].to_pylist()
    assert labels == pytest.approx([label for _, label in rows_of(name)])


@pytest.mark.parametrize("name", NAMES)
def test_data_module_splits_the_demo(name, tiny_bert, tmp_path):
    data = data_module(name)(
        source=resolve("demo", TASKS[name]), tokenizer=tiny_bert, cache=tmp_path
    )
    sizes = {part: entry["rows"] for part, entry in data.splits.items()}
    if TASKS[name].holds_out:
        assert sizes == {"train": 500, "val": 300, "test": 300}
    else:
        assert (sizes["train"], sizes["val"] + sizes["test"]) == (500, 600)


def test_default_size_and_seed_have_the_identity_of_the_explicit_ones():
    task = TASKS["rte"]
    assert resolve("demo", task).identity == resolve("demo:500:0", task).identity


def test_size_and_seed_change_the_identity():
    sources = ("demo", "demo:600", "demo:500:1")
    assert len({resolve(source, TASKS["rte"]).identity for source in sources}) == 3


def test_held_out_rows_are_added_to_the_training_rows():
    assert len(resolve("demo:600", TASKS["sst2"]).read("train")) == 900


@pytest.mark.parametrize("source", ["demo:", "demo:x", "demo:500:1:2", "demo:-1", "demo:9"])
def test_invalid_size_is_reported(source):
    with pytest.raises(DataError, match=source):
        resolve(source, TASKS["rte"])


def test_few_sample_versions_of_the_demo_are_refused():
    with pytest.raises(ConfigError, match=r"task=rte_1k: demo tasks .* use task=rte"):
        compose(["task=rte_1k", "data.source=demo"])
