"""Entries of a tasks file: what they mean, and what is wrong with them."""

import re

import pytest
import yaml

from stablebert.errors import ConfigError
from stablebert.tasks import OwnData
from stablebert.tasks.entries import read_tasks

ENTRY = {
    "data": ".",
    "text": ["review"],
    "label": "stars",
    "labels": ["bad", "mixed", "good"],
    "splits": {"train": "train.csv", "dev": "dev.csv", "test": "test.csv"},
}
PAIRS = {
    **{"data": ".", "text": ["a", "b"], "labels": "regression", "range": [0, 10]},
    "splits": {"train": "train", "dev": "dev"},
}


def read(folder, *, taken=(), name="mine", **entry):
    """The task of an entry, keys of which are None if they are to be left out."""
    file = folder / "tasks.yaml"
    entry = {key: value for key, value in entry.items() if value is not None}
    file.write_text(yaml.safe_dump({"tasks": {name: entry}}), encoding="utf-8")
    (task,) = read_tasks(file, taken=taken)
    return task


def keys(task):
    return [metric.key for metric in task.metrics]


def test_an_entry_becomes_a_task(tmp_path):
    task = read(tmp_path, **ENTRY)
    assert (task.name, task.config, task.title) == ("mine", "mine", "mine")
    assert (task.columns, task.label_column) == (("review",), "stars")
    assert (task.labels, keys(task)) == (("bad", "mixed", "good"), ["accuracy"])
    assert task.source_splits == ("train", "dev", "test")


def test_data_are_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "rows").mkdir()
    monkeypatch.chdir("/")
    assert read(tmp_path, **ENTRY | {"data": "rows"}).own.source == str(tmp_path / "rows")


def test_a_dataset_on_the_hub_keeps_its_id(tmp_path):
    assert read(tmp_path, **ENTRY | {"data": "me/reviews"}).own.source == "me/reviews"


def test_a_folder_takes_precedence_over_the_hub(tmp_path):
    (tmp_path / "me/reviews").mkdir(parents=True)
    assert read(tmp_path, **ENTRY | {"data": "me/reviews"}).own.source == str(
        tmp_path / "me/reviews"
    )


def test_files_keep_their_splits(tmp_path):
    own = read(tmp_path, **PAIRS, longer_steps=300).own
    assert own == OwnData(str(tmp_path), (("train", "train"), ("dev", "dev")), 300)


def test_a_regression_has_both_correlations(tmp_path):
    task = read(tmp_path, **PAIRS)
    assert task.regression
    assert (keys(task), task.score_range) == (["spearman", "pearson"], (0, 10))


@pytest.mark.parametrize(
    ("splits", "facts"),
    [
        (("train", "dev", "test"), (False, "dev", "test")),
        (("train", "dev"), (False, "dev", None)),
        (("train", "test"), (True, "test", None)),
    ],
)
def test_the_rule_fits_the_splits(tmp_path, splits, facts):
    task = read(tmp_path, **ENTRY | {"splits": {name: f"{name}.csv" for name in splits}})
    assert (task.holds_out, task.dev_split, task.test_split) == facts


def test_f1_brings_the_accuracy_that_its_test_against_chance_needs(tmp_path):
    entry = ENTRY | {"labels": ["no way", "sure"], "metrics": ["f1"]}
    assert keys(read(tmp_path, **entry)) == ["f1", "accuracy"]


@pytest.mark.parametrize(
    ("base", "metrics", "expected"),
    [
        (ENTRY, [{"F1Score": {"average": "macro"}}], ["F1Score_macro", "accuracy"]),
        (ENTRY, ["accuracy", "CohenKappa"], ["accuracy", "CohenKappa"]),
        (PAIRS, "ConcordanceCorrCoef", ["ConcordanceCorrCoef", "spearman"]),
        (PAIRS, ["pearson", "MeanSquaredError"], ["pearson", "MeanSquaredError"]),
    ],
)
def test_a_reported_class_comes_with_the_metric_that_is_tested_against_chance(
    tmp_path, base, metrics, expected
):
    assert keys(read(tmp_path, **base, metrics=metrics)) == expected


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        (["R2Score", "pearson"], "R2Score cannot be the first, .*put spearman in front of it$"),
        (["spearman", "SpearmanCorrCoef"], "spearman: name each metric once$"),
    ],
)
def test_metrics_that_do_not_go_together_are_refused(tmp_path, metrics, problem):
    with pytest.raises(ConfigError, match=rf"tasks\.mine\.metrics: {problem}"):
        read(tmp_path, **PAIRS, metrics=metrics)


def test_every_wrong_metric_is_reported(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, **ENTRY, metrics=["F3Score", "f2", {"CohenKappa": {"weight": 1}}])
    assert len(caught.value.problems) == 3


def test_numbers_are_names_of_labels(tmp_path):
    assert read(tmp_path, **ENTRY | {"labels": [1, 2, 3]}).labels == ("1", "2", "3")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"txt": "a"}, r": unknown key txt; did you mean text\?"),
        ({"shade": "a"}, ": unknown key shade; allowed: data, splits"),
        ({"data": None}, r"\.data: expected a folder"),
        ({"data": 3}, r"\.data: expected a text, got 3"),
        ({"text": None}, r"\.text: expected one or two columns, got None"),
        ({"text": ["a", "b", "c"]}, r"\.text: expected one or two columns"),
        ({"text": ["a", "a"]}, r"\.text: expected one or two columns"),
        ({"text": ["stars"]}, r"\.text: stars: a text column cannot be the label"),
        ({"text": [["a"]]}, r"\.text: expected names, got \[\['a'\]\]"),
        ({"label": ["stars"]}, r"\.label: expected a text, got \['stars'\]"),
        ({"labels": None}, r"\.labels: expected `regression`, or a list of at least two"),
        ({"labels": ["a"]}, r"\.labels: expected `regression`, or .*; got \['a'\]"),
        ({"labels": ["a", "a"]}, r"\.labels: expected .* different labels"),
        ({"labels": [True, False]}, r"\.labels: YAML reads .* put names into quotes"),
        ({"labels": "regression"}, r"\.range: expected \[LOWEST, HIGHEST\] label, integers"),
        ({"range": [0, 1]}, r"\.range: is only for labels: regression"),
        ({"metrics": ["f2"]}, r"\.metrics: f2: no metric of 3 labels; allowed: accuracy, and clas"),
        ({"metrics": ["f1"]}, r"\.metrics: f1: .*torchmetrics, such as F1Score: {average: macro}$"),
        ({"metrics": []}, r"\.metrics: expected at least one; without the key: accuracy$"),
        ({"metrics": ["accuracy"] * 2}, r"\.metrics: accuracy: name each metric once$"),
        ({"splits": None}, r"\.splits: expected the file or name of each split"),
        ({"splits": {"dev": "dev.csv"}}, r"\.splits: expected the file or name of each split"),
        ({"splits": {"train": "a", "eval": "b"}}, r"\.splits: expected .*'eval': 'b'"),
        ({"splits": {"train": "train.csv"}}, r"\.splits: train needs dev or test next to it"),
        ({"rule": "half"}, r"\.rule: 'half'; allowed: halve_dev, hold_out, given"),
        ({"rule": []}, r"\.rule: \[\]; allowed: halve_dev"),
        ({"rule": "halve_dev"}, r"\.rule: halve_dev needs the splits train, dev, and the entry"),
        ({"held_out": 10}, r"\.held_out: has no effect with rule=given"),
        ({"samples": 0}, r"\.samples: expected an integer of at least 1, got 0"),
        ({"samples": True}, r"\.samples: expected an integer of at least 1, got True"),
        ({"samples": 2}, r"\.samples: expected at least 3, a row of each label; got 2$"),
        ({"longer_steps": "x"}, r"\.longer_steps: expected an integer"),
        ({"title": ""}, r"\.title: expected a text, got ''"),
    ],
)
def test_a_problem_names_the_key_the_value_and_what_is_allowed(tmp_path, change, problem):
    with pytest.raises(ConfigError, match=rf"tasks\.yaml: tasks\.mine{problem}"):
        read(tmp_path, **{**ENTRY, **change})


@pytest.mark.parametrize("splits", [{"train": "train.csv"}, {"train": 3}, None])
@pytest.mark.parametrize("others", [{}, {"rule": "given"}, {"held_out": 10}])
def test_problems_of_the_splits_are_no_problems_of_the_rule(tmp_path, splits, others):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, **ENTRY | {"splits": splits, **others})
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("rule", "splits"),
    [
        *(("halve_dev", splits) for splits in ("train test", "train dev test")),
        *(("given", splits) for splits in ("train dev", "train test")),
        ("hold_out", "train dev test"),
    ],
)
def test_a_rule_needs_its_splits(tmp_path, rule, splits):
    names = {name: f"{name}.csv" for name in splits.split()}
    with pytest.raises(ConfigError, match=rf"\.rule: {rule} needs the splits .*; drop rule to use"):
        read(tmp_path, **ENTRY | {"splits": names, "rule": rule})


@pytest.mark.parametrize("split", ["dev", "test"])
def test_training_rows_can_be_held_out_next_to_either_split(tmp_path, split):
    splits = {name: f"{name}.csv" for name in ("train", split)}
    task = read(tmp_path, **ENTRY | {"splits": splits, "rule": "hold_out"})
    assert (task.holds_out, task.dev_split) == (True, split)


def test_fewer_held_out_rows_than_labels_are_refused(tmp_path):
    splits = {"train": "train.csv", "test": "test.csv"}
    with pytest.raises(ConfigError, match=r"held_out: expected at least 3, a row of .*; got 2$"):
        read(tmp_path, **ENTRY | {"splits": splits, "held_out": 2})


def test_a_regression_needs_one_row(tmp_path):
    assert read(tmp_path, **PAIRS, samples=1).samples == 1


@pytest.mark.parametrize("name", ["1a", "a b", "a_1k", "a/b", "a" * 41, "ä"])
def test_a_name_that_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=re.escape(f"tasks.{name}: a name has up to 40 letters")):
        read(tmp_path, name=name, **ENTRY)


def test_names_of_glue_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"tasks\.rte: GLUE has a task of this name"):
        read(tmp_path, name="rte", taken=["rte"], **ENTRY)


def test_all_problems_are_in_one_error(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, **ENTRY | {"samples": 0, "rule": "x", "text": []})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("text", ["", "tasks:", "tasks: [a]", "mine: {}", "- a"])
def test_a_file_without_entries_is_refused(tmp_path, text):
    (tmp_path / "tasks.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"tasks\.yaml: expected `tasks:` with an entry"):
        read_tasks(tmp_path / "tasks.yaml")


def test_an_entry_that_is_no_mapping_is_refused(tmp_path):
    (tmp_path / "tasks.yaml").write_text("tasks: {mine: reviews.csv}")
    with pytest.raises(ConfigError, match=r"tasks\.mine: expected keys and values"):
        read_tasks(tmp_path / "tasks.yaml")
