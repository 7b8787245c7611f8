"""Entries that are guessed from files."""

import pandas as pd
import pytest
import yaml

from stablebert.glue.sources import resolve
from stablebert.ops.guess_task import GuessError, guess_entry
from stablebert.tasks.entries import read_tasks

TEXTS = [f"this is review number {i}" for i in range(40)]


def write(folder, label, values, splits=("train", "dev", "test"), **columns):
    """Write CSV files with the columns id, review and label."""
    frame = pd.DataFrame({"id": range(40), "review": TEXTS, **columns, label: values})
    for split in splits:
        frame.to_csv(folder / f"{split}.csv", index=False)


def guess(folder):
    return guess_entry(folder, ".").values


def test_classes_are_guessed(tmp_path):
    write(tmp_path, "stars", ["good", "bad"] * 20)
    assert guess(tmp_path) == {
        **{"data": ".", "text": ["review"], "label": "stars", "labels": ["bad", "good"]},
        "splits": {"train": "train.csv", "dev": "dev.csv", "test": "test.csv"},
        "samples": 20,
    }


def test_a_regression_is_guessed_from_its_numbers(tmp_path):
    write(tmp_path, "score", [i / 10 for i in range(40)])
    entry = guess(tmp_path)
    assert (entry["labels"], entry["range"]) == ("regression", [0, 4])


def test_few_integers_are_classes(tmp_path):
    write(tmp_path, "label", [0, 1, 2, 10] * 10)
    assert guess(tmp_path)["labels"] == ["0", "1", "2", "10"]


def test_names_in_the_file_are_the_classes(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features(review=Value("string"), label=ClassLabel(names=["no", "yes"]))
    rows = Dataset.from_dict({"review": TEXTS, "label": [0, 1] * 20}, features=features)
    for split in ("train", "validation"):
        rows.to_parquet(tmp_path / f"{split}-00000-of-00001.parquet")
    assert guess(tmp_path)["labels"] == ["no", "yes"]


@pytest.fixture
def rows():
    """A dataset whose label has names, in an order of their own."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features(review=Value("string"), label=ClassLabel(names=["yes", "no"]))
    return Dataset.from_dict({"review": TEXTS, "label": [0, 1] * 20}, features=features)


@pytest.mark.parametrize("place", ["", "data/"])
def test_files_in_several_parts_are_a_pattern(tmp_path, rows, place):
    (tmp_path / place).mkdir(exist_ok=True)
    for split in ("train", "validation"):
        for i in range(2):
            part = rows.shard(num_shards=2, index=i)
            part.to_parquet(tmp_path / f"{place}{split}-0000{i}-of-00002.parquet")
    entry = guess(tmp_path)
    patterns = [f"{place}{split}-*.parquet" for split in ("train", "validation")]
    assert entry["splits"] == dict(zip(("train", "dev"), patterns, strict=True))
    assert (entry["labels"], entry["samples"]) == (["yes", "no"], 20)


def test_a_missing_part_is_reported(tmp_path, rows):
    for name in ("train-00000-of-00002", "test"):
        rows.to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(GuessError, match=r"train-\*\.parquet is not complete; found train-00000"):
        guess(tmp_path)


def test_parts_with_other_columns_are_refused(tmp_path):
    for i, column in enumerate(["stars", "label"]):
        name = f"train-0000{i}-of-00002"
        write(tmp_path, column, ["a", "b"] * 20, splits=(name, "dev"))
    with pytest.raises(GuessError, match=r"files of train-\*\.csv have different columns"):
        guess(tmp_path)


def test_saved_datasets_are_named_by_their_folders(tmp_path, rows):
    from datasets import DatasetDict

    splits = DatasetDict(train=rows, validation=rows, test=rows)
    splits.save_to_disk(tmp_path, num_shards={"train": 2, "validation": 1, "test": 1})
    entry = guess(tmp_path)
    assert entry["splits"] == {"train": "train", "dev": "validation", "test": "test"}
    assert (entry["labels"], entry["samples"]) == (["yes", "no"], 20)


def test_an_entry_guessed_from_parts_gives_all_rows(tmp_path, rows):
    for split in ("train", "test"):
        rows.save_to_disk(tmp_path / "data" / split, num_shards=2)
    (tmp_path / "tasks.yaml").write_text(guess_entry(tmp_path, ".").to_yaml("mine"))
    (task,) = read_tasks(tmp_path / "tasks.yaml")
    source = resolve(task.own.source, task)
    assert [len(source.read(split)) for split in task.source_splits] == [40, 40]


def test_two_columns_of_texts_are_a_pair(tmp_path):
    write(tmp_path, "label", ["a", "b"] * 20, hypothesis=TEXTS[::-1])
    assert guess(tmp_path)["text"] == ["review", "hypothesis"]


def test_training_rows_are_held_out_without_a_dev_split(tmp_path):
    write(tmp_path, "label", ["a", "b"] * 20, splits=("train", "test"))
    assert guess(tmp_path)["held_out"] == 8


def test_a_row_of_each_label_is_held_out_however_few_rows_there_are(tmp_path):
    write(tmp_path, "label", [f"class {i}" for i in range(10)] * 4, splits=("train", "test"))
    assert guess(tmp_path)["held_out"] == 10


@pytest.mark.parametrize("label", ["yes", "1", "a: b", "x # y", "null"])
def test_yaml_keeps_the_labels(tmp_path, label):
    write(tmp_path, "label", [label, "other"] * 20)
    text = guess_entry(tmp_path, ".").to_yaml("mine")
    assert label in yaml.safe_load(text)["tasks"]["mine"]["labels"]


def test_guesses_are_marked(tmp_path):
    write(tmp_path, "stars", ["good", "bad"] * 20)
    text = guess_entry(tmp_path, ".").to_yaml("mine")
    assert "label: stars  # guess: the last column with a few values (2)\n" in text


def test_ten_rows_are_shown(tmp_path):
    write(tmp_path, "stars", ["good", "bad"] * 20)
    rows = guess_entry(tmp_path, ".").rows
    assert (len(rows), rows[0]) == (10, [TEXTS[0], "good"])


@pytest.mark.parametrize(
    ("splits", "columns", "problem"),
    [
        (("train-1", "train-2", "dev"), {}, r"several files of train: train-1\.csv, train-2\.csv"),
        (("train",), {}, r"needs a file with train .*; found train\.csv"),
        (("a", "b"), {}, "needs a file with train"),
        (("train", "dev"), {"stars": [str(i) for i in range(40)]}, "no column looks like a label"),
    ],
)
def test_files_without_a_task_are_refused(tmp_path, splits, columns, problem):
    frame = pd.DataFrame({"review": TEXTS, **columns})
    for split in splits:
        frame.to_csv(tmp_path / f"{split}.csv", index=False)
    with pytest.raises(GuessError, match=problem):
        guess(tmp_path)
