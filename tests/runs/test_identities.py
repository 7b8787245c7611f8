"""Identities of runs whose data or model is not available: records tell what they were."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from stablebert.config.compose import compose
from stablebert.config.files import CONF
from stablebert.config.identity import config_id
from stablebert.config.sweep import read_sweep
from stablebert.hub import Content
from stablebert.report.records import read_records
from stablebert.runs import identities as identities_module
from stablebert.runs.identities import ContentError, Identities
from stablebert.runs.locate import locate
from tests.helpers.records import make_cell, make_record

DATA, MODEL = "sha256:0123", "sha256:4567"


def absent_config(*overrides, source="/absent", model="org/bert"):
    return compose(["scale=mini", f"data.source={source}", f"model.name={model}", *overrides])


def record_of(task="rte", scale="mini", data=DATA, model=MODEL, **addresses):
    return replace(make_record(make_cell(task, scale=scale), data=data, model=model), **addresses)


@pytest.mark.parametrize("overrides", [("seed=0",), ("seed=1", "method=reinit")])
def test_absent_content_is_assumed_to_be_what_all_records_used(overrides):
    cfg = absent_config(*overrides)
    run = Identities([record_of(), record_of()]).run(cfg)
    assert run.config_id == config_id(cfg, data=DATA, model=MODEL)


def test_every_assumption_is_reported_once_per_content():
    identities = Identities([record_of(), record_of(), record_of("cola", data="sha256:4567")])
    for overrides in (("seed=0",), ("seed=1",), ("task=cola",)):
        identities.run(absent_config(*overrides))
    assert identities.assumptions == [
        f"data is not available; assuming the content that all records of mini rte used: {DATA}",
        "model is not available; assuming the content that all records of mini rte, mini cola "
        f"used: {MODEL}",
        "data is not available; assuming the content that all records of mini cola used: "
        "sha256:4567",
    ]


def test_available_content_overrides_the_records(tiny_glue, tiny_bert):
    cfg = absent_config(source=tiny_glue, model=tiny_bert)
    run, located = Identities([record_of()]).run(cfg), locate(cfg)
    assert (run.config_id, run.folder) == (located.config_id, located.folder)


def test_available_content_needs_no_assumption(tiny_glue, tiny_bert):
    identities = Identities([record_of()])
    identities.run(absent_config(source=tiny_glue, model=tiny_bert))
    assert not identities.assumptions


def test_data_may_be_available_and_the_model_assumed(tiny_glue, tiny_bert):
    cfg = absent_config(source=tiny_glue)
    data = locate(absent_config(source=tiny_glue, model=tiny_bert)).source.identity
    run = Identities([record_of()]).run(cfg)
    assert run.config_id == config_id(cfg, data=data, model=MODEL)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "which data it is: there are none"),
        (
            [record_of("cola"), record_of(scale="paper")],
            "which data it is: there are none",
        ),
        (
            [record_of(), record_of(), record_of(data="sha256:9")],
            f"which data it is: they name {DATA} (2 records), sha256:9 (1 record)",
        ),
        (
            [record_of(), record_of(model="sha256:9")],
            f"which model it is: they name {MODEL} (1 record), sha256:9 (1 record)",
        ),
        (
            [record_of(data_address="nyu-mll/glue@c0ffee")],
            f"which data it is: they name {DATA} (1 record)",
        ),
        (
            [record_of(model_address="org/other@c0ffee")],
            f"which model it is: they name {MODEL} (1 record)",
        ),
    ],
)
def test_records_that_do_not_identify_the_content_are_listed_after_the_error(records, reason):
    with pytest.raises(ContentError) as refusal:
        Identities(records).run(absent_config())
    problem, records_line = str(refusal.value).splitlines()
    assert ("'/absent' is not a folder" if " data " in reason else "model 'org/bert'") in problem
    assert records_line == f"The records of mini rte do not say {reason}."


# ---------------------------------------------------------------- addresses of records

ADDRESS = "org/bert@c0ffee"
MINILM = "sha256:8391b481943aea5f89dc773136bdc7e7"
"""The model of the mini scale, in results/mini/methods.jsonl."""


@pytest.mark.parametrize("revision", ["c0ffee", "null"])
def test_the_address_of_a_record_may_match_the_revision(revision):
    record = record_of(model_address=ADDRESS)
    run = Identities([record]).run(absent_config(f"model.revision={revision}"))
    assert run.config_id == config_id(run.cfg, data=DATA, model=MODEL)


def test_the_address_of_a_record_may_contradict_the_revision():
    with pytest.raises(ContentError, match=f"which model it is: they name {MODEL}"):
        Identities([record_of(model_address=ADDRESS)]).run(absent_config("model.revision=main"))


def test_the_hub_of_a_task_of_ones_own_is_the_address_in_its_entry(use_own_task):
    use_own_task("me/reviews")
    record = record_of("mine", data_address="me/reviews@c0ffee")
    run = Identities([record], download=False).run(absent_config("task=mine", source="hub"))
    assert run.config_id == config_id(run.cfg, data=DATA, model=MODEL)


def test_content_at_several_commits_may_be_that_of_each():
    records = [record_of(model_address=address) for address in (ADDRESS, "org/bert@fedcba")]
    for revision in ("c0ffee", "fedcba"):
        run = Identities(records).run(absent_config(f"model.revision={revision}"))
        assert run.config_id == config_id(run.cfg, data=DATA, model=MODEL)


@pytest.fixture(scope="module")
def committed():
    records, problems = read_records(CONF.parent / "results")
    assert not problems
    return records


def test_committed_demo_records_are_those_of_their_sweep(committed):
    tasks = "task=rte,mrpc,stsb,cola,sst2,qnli,qqp,mnli"
    configs = read_sweep("table1").narrow(["scale=demo", tasks, "seed=0..19"]).configs()
    identities = Identities(committed)
    keys = {identities.run(cfg).key for cfg in configs}
    assert len(keys) == 640
    assert keys <= {record.key for record in committed}


def test_committed_mini_records_identify_their_runs_without_data_and_model(committed):
    narrowing = ["scale=mini", "task=cola_1k", "seed=0", "method=standard,bert_adam,reinit"]
    places = ["data.source=/x", "model.name=/x"]
    configs = read_sweep("table2").narrow([*narrowing, *places]).configs()
    # a second model of this scale would be ambiguous, and it has a learning rate of its own
    identities = Identities([record for record in committed if record.model == MINILM])
    keys = {identities.run(cfg).key for cfg in configs}
    assert keys <= {record.key for record in committed}


def test_a_run_that_starts_from_another_one_is_identified():
    run = Identities([record_of(), record_of("mnli")]).run(absent_config("method=intermediate"))
    start = config_id(absent_config("task=mnli"), data=DATA, model=MODEL)
    assert run.config_id == config_id(run.cfg, data=DATA, model=MODEL, start=start)


def test_all_seeds_of_a_cell_are_identified_at_once(monkeypatch):
    calls = []
    original = identities_module.identify

    def count(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(identities_module, "identify", count)
    overrides = ["scale=demo", "data.source=demo:70", "task=rte", "seed=0..4", "seed_init=0,1"]
    configs = read_sweep("table1").narrow(overrides).configs()
    identify = Identities([]).run
    runs = [identify(cfg) for cfg in configs]
    assert (len(calls), len({run.key for run in runs})) == (4, 4 * 10)
    assert runs == [Identities([]).run(cfg) for cfg in configs]


# ---------------------------------------------------------------- contents and addresses


def test_the_content_of_the_pinned_revision_is_located(monkeypatch, tiny_bert):
    calls = []

    def locate_data(source, task, revision, *, download):
        calls.append((source, task.name, revision))
        return SimpleNamespace(identity=DATA)

    def locate_model(name, revision, *, download):
        calls.append((name, revision))
        return tiny_bert, Content(MODEL)

    monkeypatch.setattr(identities_module, "locate_data", locate_data)
    monkeypatch.setattr(identities_module, "locate_model", locate_model)
    Identities([]).run(absent_config("task=rte", "data.revision=d1", "model.revision=m1"))
    assert calls == [("/absent", "rte", "d1"), ("org/bert", "m1")]


def test_a_run_is_in_the_folder_of_its_identifier(tmp_path):
    cfg = absent_config("seed=3", f"paths.runs={tmp_path}")
    run = Identities([record_of()]).run(cfg)
    assert run.folder == tmp_path / "mini" / "rte" / "standard" / run.config_id / "seed3"
