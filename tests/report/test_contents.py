"""Records by scale and model, and the runs that they identify."""

import pytest

from stablebert.config.compose import compose
from stablebert.report.contents import group_by_model
from stablebert.runs.identities import ContentError
from tests.helpers.collections import MODEL, OTHER, config_record, config_records

MINI = ("scale=mini", "task=cola_1k")
DISTILBERT = "model.name=distilbert/distilbert-base-cased"


def group_of(*records):
    (group,) = group_by_model(records)
    return group


def test_records_are_grouped_by_scale_and_model_the_largest_group_first():
    groups = group_by_model(
        [
            *config_records(*MINI, model=OTHER),
            *config_records(*MINI, seeds=range(4)),
            config_record("scale=paper", "task=rte"),
        ]
    )
    found = [(group.scale, group.identity, len(group.records)) for group in groups]
    assert found == [("mini", MODEL, 4), ("mini", OTHER, 3), ("paper", MODEL, 1)]


def test_a_model_has_the_settings_of_its_scale_if_these_fit_its_records():
    assert group_of(*config_records(*MINI)).overrides == ()


def test_a_model_has_the_settings_that_fit_its_records():
    group = group_of(*config_records(*MINI, DISTILBERT))
    assert group.overrides == (DISTILBERT,)


def test_a_model_without_settings_of_its_own_is_recognized():
    group = group_of(*config_records("scale=paper", "task=rte", "model.like=none"))
    assert group.run(compose(["scale=paper", "task=rte"])).config_id == group.records[0].config_id


def test_a_model_in_a_folder_is_called_by_its_content_and_settings():
    group = group_of(*config_records(*MINI, DISTILBERT))
    assert group.model == "0a1b2c3d4e5f, like distilbert/distilbert-base-cased"


def test_a_model_of_the_hub_is_called_by_its_address():
    group = group_of(config_record(*MINI, model_address="org/bert@fedcba"))
    assert group.model == "org/bert"


def test_the_model_of_the_demo_is_called_demo():
    group = group_of(config_record("scale=demo", "task=rte", model=f"demo {MODEL}"))
    assert group.model == "demo"


def test_runs_are_identified_without_data_or_model():
    records = config_records(*MINI, "method=bert_adam")
    run = group_of(*records).run(compose([*MINI, "method=bert_adam", "seed=2"]))
    assert run.key == records[2].key


def test_the_full_task_and_its_thousand_samples_share_data():
    group = group_of(config_record(*MINI))
    expected = config_record("scale=mini", "task=cola")
    assert group.run(compose(["scale=mini", "task=cola"])).config_id == expected.config_id


def test_a_task_whose_data_no_record_names_is_not_identified():
    with pytest.raises(ContentError, match="no record of mini rte names its data"):
        group_of(config_record(*MINI)).run(compose(["scale=mini", "task=rte"]))


def test_data_are_those_of_most_records():
    records = [*config_records(*MINI), config_record(*MINI, seed=9, data="sha256:beef")]
    assert group_of(*records).run(compose(MINI)).config_id == records[0].config_id


def test_runs_on_other_data_are_reported():
    records = [*config_records(*MINI), config_record(*MINI, seed=9, data="sha256:beef")]
    assert group_of(*records).notes == ["mini cola: 1 run on different data than most, not counted"]


def test_a_run_that_starts_from_another_is_identified_by_its_record():
    from stablebert.config.identity import config_id

    cfg = compose([*MINI, "method=intermediate"])
    start = {"task": "mnli", "config_id": "0123456789", "val_best": 0.5, "seconds": 1.0}
    record = config_record(*MINI, start=start)
    expected = config_id(cfg, data=record.data, model=MODEL, start="0123456789")
    assert group_of(record).run(cfg).config_id == expected
