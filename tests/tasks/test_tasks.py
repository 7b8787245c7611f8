"""The facts about the tasks, against the paper's appendix, the hub's card and conf/tasks.yaml."""

from pathlib import Path

import pytest
import yaml

from stablebert.tasks import TASKS, UnknownTaskError
from stablebert.tasks.metrics import METRICS

FULL = ["rte", "mrpc", "stsb", "cola", "sst2", "qnli", "qqp", "mnli"]
CONF = Path(__file__).parents[2] / "conf/tasks.yaml"


def test_every_task_has_a_few_sample_version():
    assert list(TASKS) == FULL + [f"{name}_1k" for name in FULL]


def test_tasks_are_listed_under_their_names():
    assert all(task.name == name for name, task in TASKS.items())


def test_unknown_task_is_reported_with_the_known_ones():
    with pytest.raises(UnknownTaskError, match=r"task='rta' has no entry .*; allowed: rte, mrpc"):
        TASKS["rta"]


def test_configuration_has_the_same_tasks():
    assert set(yaml.safe_load(CONF.read_text(encoding="utf-8"))) == set(TASKS)


@pytest.mark.parametrize(
    ("name", "metrics"),
    {
        "rte": ("accuracy",),
        "mrpc": ("f1", "accuracy"),
        "stsb": ("spearman", "pearson"),
        "cola": ("mcc", "accuracy"),
        "sst2": ("accuracy",),
        "qnli": ("accuracy",),
        "qqp": ("accuracy", "f1"),
        "mnli": ("accuracy",),
    }.items(),
)
def test_metrics_are_the_papers_reported_one_first(name, metrics):
    assert TASKS[name].metrics == tuple(METRICS[metric] for metric in metrics)
    assert TASKS[name].metric.key == metrics[0]


def test_number_of_outputs_is_the_number_of_classes():
    outputs = {name: TASKS[name].num_labels for name in FULL}
    assert outputs == dict.fromkeys(FULL, 2) | {"stsb": 1, "mnli": 3}


def test_only_stsb_is_a_regression():
    assert [name for name in FULL if TASKS[name].regression] == ["stsb"]


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize(
    "fact", ["config", "columns", "labels", "metrics", "holds_out", "dev_split", "score_range"]
)
def test_few_sample_version_shares_the_facts(name, fact):
    assert getattr(TASKS[f"{name}_1k"], fact) == getattr(TASKS[name], fact)


@pytest.mark.parametrize("name", FULL)
def test_few_sample_version_is_marked(name):
    full, few = TASKS[name], TASKS[f"{name}_1k"]
    assert (full.few_sample, few.few_sample) == (False, True)
    assert few.title == f"{full.title} (1k)"


def test_large_tasks_hold_out_training_rows():
    assert [name for name in FULL if TASKS[name].holds_out] == ["sst2", "qnli", "qqp", "mnli"]


def test_mnli_is_tested_on_the_matched_dev_set():
    assert TASKS["mnli"].dev_split == "validation_matched"
