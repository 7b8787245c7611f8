import pytest

from stablebert.config.compose import compose
from stablebert.config.sweep import read_sweep
from stablebert.errors import ActionableError
from stablebert.ops.items import HubItem, LocalItem, required_items

MINI = ["scale=mini", "task=rte", "data.source=hub", "model.name=me/bert"]


def names_of(items):
    return [(item.part, item.name) for item in items]


def test_a_run_from_the_hub_needs_a_dataset_and_a_model():
    items = required_items([compose(MINI)])
    assert names_of(items) == [("data", "nyu-mll/glue rte"), ("model", "me/bert")]
    assert all(isinstance(item, HubItem) for item in items)


def test_a_pinned_revision_is_part_of_the_name():
    items = required_items([compose([*MINI, "data.revision=v8", "model.revision=v7"])])
    assert names_of(items) == [("data", "nyu-mll/glue rte at v8"), ("model", "me/bert at v7")]


def test_an_item_of_several_runs_is_needed_once():
    configs = [compose([*MINI, f"seed={seed}"]) for seed in range(3)]
    assert len(required_items(configs)) == 2


def test_the_data_of_the_run_that_a_run_starts_from_are_needed_too():
    items = required_items([compose([*MINI, "method=intermediate"])])
    assert ("data", "nyu-mll/glue mnli") in names_of(items)


def test_the_demo_is_generated_or_in_the_package():
    items = required_items([compose(["scale=demo", "task=cola"])])
    assert [(i.part, i.name, i.origin) for i in items] == [
        ("data", "demo cola", "generated"),
        ("model", "demo", "in the package"),
    ]


def test_folders_are_local(tiny_glue, tiny_bert):
    folders = [f"data.source={tiny_glue}", f"model.name={tiny_bert}"]
    items = required_items([compose(["scale=mini", "task=rte", *folders])])
    assert [i.origin for i in items] == ["a folder", "a folder"]


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [("me/reviews", HubItem, "me/reviews"), ("/rows", LocalItem, "/rows mine")],
)
def test_the_hub_of_a_task_of_ones_own_is_the_source_of_its_entry(use_own_task, source, kind, name):
    use_own_task(source)
    items = required_items([compose(["scale=mini", "task=mine", "data.source=hub"])])
    assert (type(items[0]), items[0].name) == (kind, name)


@pytest.mark.parametrize("part", ["data", "model"])
def test_a_folder_that_cannot_be_used_fails_its_check(tmp_path, part):
    folders = [f"data.source={tmp_path}", f"model.name={tmp_path}"]
    (item,) = [
        item
        for item in required_items([compose(["scale=mini", "task=rte", *folders])])
        if item.part == part
    ]
    assert isinstance(item, LocalItem)
    with pytest.raises(ActionableError):
        item.check()


def test_table_7_needs_the_models_of_the_paper():
    names = [i.name for i in required_items(read_sweep("table7").configs()) if i.part == "model"]
    assert names == [
        *("FacebookAI/roberta-large", "facebook/bart-large"),
        *("google/electra-large-discriminator", "xlnet/xlnet-large-cased"),
    ]


def test_table_1_needs_eight_tasks_and_bert_large():
    items = required_items(read_sweep("table1").configs())
    assert [i.part for i in items] == ["data"] * 8 + ["model"]
    assert items[-1].name == "google-bert/bert-large-uncased"
