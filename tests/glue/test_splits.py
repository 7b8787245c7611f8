"""Splits: an independent brute force of the released procedure, and golden fingerprints."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from stablebert.glue import sources, splits
from stablebert.glue.rows import DataError
from stablebert.tasks import TASKS

# rows and fingerprint of train, val, test on the real data; the sizes of val and test are those of
# the released code, which the paper's Table 3 rounds
GOLDEN = {
    "rte": [(2490, "a3d81fe873df2e20"), (138, "e36ac61014a3fdb5"), (139, "8af9197bfa1e5e64")],
    "mrpc": [(3668, "3e2ef7f7e4e76671"), (203, "decdc4bedde1b340"), (205, "6e060d4ce356e1a4")],
    "stsb": [(5749, "713087b465526562"), (722, "2cced0387e2c3959"), (778, "c465b921130a516a")],
    "cola": [(8551, "39dc88dff5a8feb2"), (521, "3082c6cd9fee1792"), (522, "4efe84a558b23a18")],
    "sst2": [(66349, "e35c44303240ae9c"), (1000, "f954af79cb52c2fc"), (872, "7aba309ccd1dc6b5")],
    "rte_1k": [(1000, "4a4de327892cd225"), (138, "e36ac61014a3fdb5"), (139, "8af9197bfa1e5e64")],
    "mrpc_1k": [(1000, "17ebe754f0d7ea0b"), (203, "decdc4bedde1b340"), (205, "6e060d4ce356e1a4")],
    "stsb_1k": [(1000, "9b608369d2d5fad2"), (722, "2cced0387e2c3959"), (778, "c465b921130a516a")],
    "cola_1k": [(1000, "164156f1f4eb7d13"), (521, "3082c6cd9fee1792"), (522, "4efe84a558b23a18")],
    "sst2_1k": [(1000, "7e6a49e44cafbfde"), (1000, "f954af79cb52c2fc"), (872, "7aba309ccd1dc6b5")],
}


def split(task, train, dev):
    return splits.split_rows(task, train, dev, task.held_out)


def brute_force(task, train, dev):
    """The released procedure with plain lists and the global generators of numpy and torch."""

    def groups(labels):
        rows = {}
        for i, label in enumerate(labels):
            rows.setdefault(label, []).append(i)
        return list(rows.values())

    state = np.random.get_state()
    try:
        val, test = [], []
        for rows in groups(dev):
            np.random.RandomState(1).shuffle(rows)
            val += rows[: len(rows) // 2]
            test += rows[len(rows) // 2 :]
        fit = list(range(len(train)))
        np.random.seed(0)
        classes = [np.array(rows) for rows in groups(train)] if not task.regression else []
        for rows in classes:
            np.random.shuffle(rows)
    finally:
        np.random.set_state(state)
    k = 1000 // max(len(classes), 1)
    if task.holds_out:
        val = [i for rows in classes for i in rows.tolist()[-k:]]
        test = list(range(len(dev)))
        held_out = set(val)
        fit = [i for i in fit if i not in held_out]
    if task.few_sample:
        fit = [i for rows in classes for i in rows.tolist()[:k]]
    if task.few_sample and task.regression:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            fit = torch.randperm(len(train))[:1000].tolist()
    return {"train": fit, "val": val, "test": test}


def labels_like(task, n, seed):
    rng = random.Random(f"{task.config}-{seed}")
    if task.regression:
        return np.array([rng.randrange(26) / 5 for _ in range(n)], np.float32)
    values = [0, 0, 1] if task.num_labels == 2 else [0, 1, 2]
    return np.array([rng.choice(values) for _ in range(n)])


def tiny_labels(task, seed):
    return labels_like(task, 3600, seed), labels_like(task, 301, f"dev{seed}")


def lists_of(parts):
    return {name: part.rows.tolist() for name, part in parts.items()}


every_task = pytest.mark.parametrize("name", TASKS)


@every_task
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_are_those_of_the_released_procedure(name, seed):
    task = TASKS[name]
    train, dev = tiny_labels(task, seed)
    expected = brute_force(task, train.tolist(), dev.tolist())
    assert lists_of(split(task, train, dev)) == expected


@every_task
def test_rows_are_int64(name):
    parts = split(TASKS[name], *tiny_labels(TASKS[name], 0)).values()
    assert {part.rows.dtype for part in parts} == {np.dtype(np.int64)}


@every_task
def test_parts_do_not_overlap(name):
    parts = split(TASKS[name], *tiny_labels(TASKS[name], 0)).values()
    rows = [(part.source, int(i)) for part in parts for i in part.rows]
    assert len(set(rows)) == len(rows)


@every_task
def test_dev_set_is_used_completely(name):
    task = TASKS[name]
    train, dev = tiny_labels(task, 0)
    parts = split(task, train, dev)
    rows = [parts[half].rows for half in ("val", "test") if parts[half].source == task.dev_split]
    assert sorted(np.concatenate(rows).tolist()) == list(range(len(dev)))


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.few_sample])
def test_full_task_uses_every_training_row(name):
    train, dev = tiny_labels(TASKS[name], 0)
    parts = split(TASKS[name], train, dev).values()
    rows = np.concatenate([part.rows for part in parts if part.source == "train"])
    assert sorted(rows.tolist()) == list(range(len(train)))


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if not task.few_sample])
def test_training_rows_of_a_full_task_are_in_order(name):
    parts = split(TASKS[name], *tiny_labels(TASKS[name], 0))
    assert np.all(np.diff(parts["train"].rows) > 0)


@pytest.mark.parametrize("name", ["rte_1k", "mrpc_1k", "cola_1k", "sst2_1k", "mnli_1k"])
def test_few_samples_are_balanced(name):
    train, dev = tiny_labels(TASKS[name], 0)
    rows = split(TASKS[name], train, dev)["train"].rows
    assert set(np.bincount(train[rows])) == {1000 // TASKS[name].num_labels}


@pytest.mark.parametrize("name", ["sst2", "qnli", "qqp", "mnli", "mnli_1k"])
def test_held_out_rows_are_balanced(name):
    train, dev = tiny_labels(TASKS[name], 0)
    rows = split(TASKS[name], train, dev)["val"].rows
    assert set(np.bincount(train[rows])) == {1000 // TASKS[name].num_labels}


def real_labels(name, shared):
    task = TASKS[name]
    source = sources.resolve(shared / "glue", task)
    return [source.read(split)["label"].to_numpy() for split in ("train", task.dev_split)]


@pytest.mark.parametrize("name", GOLDEN)
def test_real_splits_have_the_released_sizes_and_rows(name, shared):
    parts = split(TASKS[name], *real_labels(name, shared))
    assert [(len(p.rows), splits.fingerprint(p.rows)) for p in parts.values()] == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_real_splits_are_those_of_the_released_procedure(name, shared):
    train, dev = real_labels(name, shared)
    expected = brute_force(TASKS[name], train.tolist(), dev.tolist())
    assert lists_of(split(TASKS[name], train, dev)) == expected


def test_halves_of_mrpc_have_the_papers_majority_class(shared):
    # the majority class's F1 in the paper's Table 3: 81.3 and 81.2
    train, dev = real_labels("mrpc", shared)
    parts = split(TASKS["mrpc"], train, dev)
    assert [dev[parts[half].rows].sum() for half in ("val", "test")] == [139, 140]


@pytest.mark.parametrize("half", ["val", "test"])
@pytest.mark.parametrize("name", ["rte", "stsb", "sst2", "mnli"])
def test_few_sample_version_keeps_validation_and_test(name, half):
    train, dev = labels_like(TASKS[name], 3600, 0), labels_like(TASKS[name], 300, 1)
    full, few = (split(TASKS[n], train, dev) for n in (name, f"{name}_1k"))
    assert full[half].rows.tolist() == few[half].rows.tolist()


def test_global_seeds_do_not_change_the_split():
    task = TASKS["stsb_1k"]
    train, dev = labels_like(task, 1200, 0), labels_like(task, 300, 1)
    results = []
    for seed in (0, 1):
        np.random.seed(seed)
        torch.manual_seed(seed)
        results.append(lists_of(split(task, train, dev)))
    assert results[0] == results[1]


def test_splitting_does_not_draw_from_the_global_generators():
    task = TASKS["stsb_1k"]
    train, dev = labels_like(task, 1200, 0), labels_like(task, 300, 1)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    split(task, train, dev)
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before


def test_fingerprint_ignores_the_order():
    assert splits.fingerprint(np.array([3, 1, 2])) == splits.fingerprint(np.array([1, 2, 3]))


def test_fingerprint_depends_on_the_rows():
    assert splits.fingerprint(np.array([1, 2])) != splits.fingerprint(np.array([1, 2, 3]))


def test_fingerprint_is_the_same_on_every_machine():
    assert splits.fingerprint(np.array([1, 2])) == "3a316d6d3226f84c"


@pytest.mark.parametrize(
    ("name", "train", "needed"),
    [
        ("rte_1k", [0] * 900 + [1] * 499, r"500 training rows of each .*not_entailment': 499"),
        ("sst2", [0] * 900 + [1] * 500, r"501 training rows of each .*positive': 500"),
        ("sst2_1k", [0] * 1000 + [1] * 999, r"1000 training rows of each"),
        ("mnli", [0] * 900 + [1] * 900, r"334 training rows of each of entailment, neutral"),
        ("stsb_1k", [1.0] * 999, r"1000 training rows; found 999"),
    ],
)
def test_too_few_rows_are_reported_with_what_is_needed(name, train, needed):
    with pytest.raises(DataError, match=f"^{name}: needs {needed}"):
        split(TASKS[name], np.array(train), np.array([0, 1] * 20))


def regression(few=False):
    """A regression that validates on training rows, which no task of GLUE is."""
    task = TASKS["stsb_1k" if few else "stsb"]
    return replace(task, holds_out=True, held_out=30, samples=50)


@pytest.mark.parametrize(("few", "rows"), [(False, 70), (True, 50)])
def test_a_regression_holds_out_training_rows_and_trains_on_others(few, rows):
    parts = split(regression(few), np.arange(100.0), np.ones(9))
    train, val = (set(parts[name].rows) for name in ("train", "val"))
    assert (len(train), len(val), train & val) == (rows, 30, set())


def test_held_out_rows_of_a_regression_are_not_the_last_ones():
    val = split(regression(), np.arange(100.0), np.ones(9))["val"].rows
    assert sorted(val) != list(range(70, 100))


@pytest.mark.parametrize(("few", "needed"), [(False, 31), (True, 80)])
def test_a_regression_with_too_few_rows_to_hold_out_is_refused(few, needed):
    with pytest.raises(DataError, match=f"needs {needed} training rows; found {needed - 1}$"):
        split(regression(few), np.arange(needed - 1.0), np.ones(9))


@pytest.mark.parametrize("facts", [{"held_out": 1}, {"samples": 1, "few_sample": True}])
def test_fewer_rows_than_labels_are_refused_before_a_set_is_empty_or_everything(facts):
    task = replace(TASKS["sst2"], **facts)
    with pytest.raises(DataError, match="must be at least 2, a row of each label"):
        split(task, np.array([0, 1] * 1000), np.array([0, 1]))


DEV = np.array([0, 1] * 20)


def test_1000_rows_of_each_class_are_enough_for_a_held_out_few_sample_task():
    parts = split(TASKS["sst2_1k"], np.array([0, 1] * 1000), DEV)
    assert not set(parts["train"].rows) & set(parts["val"].rows)


def test_501_rows_of_each_class_leave_one_of_each_to_train_on():
    assert len(split(TASKS["sst2"], np.array([0, 1] * 501), DEV)["train"].rows) == 2


def test_dev_set_that_leaves_no_validation_rows_is_refused():
    with pytest.raises(DataError, match="3 dev rows leave 0 for validation and 3 for the test"):
        split(TASKS["stsb"], np.arange(9.0), np.array([1.0, 2.0, 3.0]))


def test_empty_training_set_is_refused():
    with pytest.raises(DataError, match="no training rows"):
        split(TASKS["rte"], np.array([], int), np.array([0, 0, 1, 1]))
