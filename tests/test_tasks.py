"""The facts about the tasks, against the paper's appendix and the hub's card."""

import subprocess
import sys

from stablebert.tasks import TASKS

FULL = ["rte", "mrpc", "stsb", "cola", "sst2", "qnli", "qqp", "mnli"]


def test_sixteen_tasks():
    assert list(TASKS) == FULL + [f"{name}_1k" for name in FULL]
    assert all(task.name == name for name, task in TASKS.items())


def test_reported_metrics():
    reported = {name: TASKS[name].metric for name in FULL}
    assert reported.pop("mrpc") == "f1"
    assert reported.pop("stsb") == "spearman"
    assert reported.pop("cola") == "mcc"
    assert set(reported.values()) == {"accuracy"}
    assert TASKS["qqp"].metrics == ("accuracy", "f1")
    assert TASKS["mrpc"].metrics == ("f1", "accuracy")
    assert TASKS["stsb"].metrics == ("spearman", "pearson")


def test_outputs_of_the_classifier():
    assert {name: TASKS[name].num_labels for name in FULL} == dict.fromkeys(FULL, 2) | {
        "stsb": 1,
        "mnli": 3,
    }
    assert [name for name in FULL if TASKS[name].regression] == ["stsb"]


def test_a_1k_version_differs_in_nothing_else():
    for name in FULL:
        full, few = TASKS[name], TASKS[f"{name}_1k"]
        assert few.few_sample
        assert not full.few_sample
        assert few.title == f"{full.title} (1k)"
        for fact in ("config", "columns", "labels", "metrics", "holds_out", "dev_split"):
            assert getattr(few, fact) == getattr(full, fact), (name, fact)


def test_the_large_tasks_hold_out_training_rows():
    assert [name for name in FULL if TASKS[name].holds_out] == ["sst2", "qnli", "qqp", "mnli"]
    assert TASKS["mnli"].dev_split == "validation_matched"


def test_facts_and_sources_load_without_torch():
    code = """
import sys
from stablebert import hub
from stablebert import tasks
from stablebert.glue import sources, splits
heavy = {"torch", "lightning", "transformers", "datasets", "pyarrow", "huggingface_hub"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
