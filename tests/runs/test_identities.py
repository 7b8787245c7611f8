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

DATA, MODEL = "sha256:0123", "org/bert@c0ffee"


def absent_config(*overrides, source="/absent", model="org/bert"):
    return compose(["scale=mini", f"data.source={source}", f"model.name={model}", *overrides])


def record_of(task="rte", scale="mini", data=DATA, model=MODEL):
    return make_record(make_cell(task, scale=scale), data=data, model=model)


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
        ([], "which data it is either: there are none"),
        (
            [record_of("cola"), record_of(scale="paper")],
            "which data it is either: there are none",
        ),
        (
            [record_of(), record_of(), record_of(data="sha256:9")],
            f"which data it is either: {DATA} in 2, sha256:9 in 1",
        ),
        (
            [record_of(), record_of(model="sha256:9")],
            f"which model it is either: {MODEL} in 1, sha256:9 in 1",
        ),
        (
            [record_of(data="nyu-mll/glue@c0ffee")],
            "which data it is either: nyu-mll/glue@c0ffee in 1",
        ),
        ([record_of(model="org/other@c0ffee")], "which model it is either: org/other@c0ffee in 1"),
    ],
)
def test_records_that_do_not_identify_the_content_are_listed_after_the_error(records, reason):
    with pytest.raises(ContentError) as refusal:
        Identities(records).run(absent_config())
    problem, records_line = str(refusal.value).splitlines()
    assert ("'/absent' is not a folder" if " data " in reason else "model 'org/bert'") in problem
    assert records_line == f"The records of mini rte do not tell {reason}."


# ---------------------------------------------------------------- older records of hub content

CONTENT = "sha256:89ab"


def update_record(records, old):
    """Identify the run of `absent_config`, and return `old` as an updated record."""
    identities = Identities(records)
    run = identities.run(absent_config())
    return run, identities.update([old])[0]


@pytest.fixture
def old():
    """A record of `absent_config` from when the commit identified the model."""
    return replace(record_of(), config_id=config_id(absent_config(), data=DATA, model=MODEL))


@pytest.fixture
def new():
    """A record with the same content, identified by its files."""
    identifier = config_id(absent_config(), data=DATA, model=CONTENT)
    record = replace(record_of(model=CONTENT), config_id=identifier, model_address=MODEL)
    return replace(record, seed=1, seed_init=1, seed_data=1)


def test_old_records_alone_identify_the_run_as_before(old):
    run, updated = update_record([old], old)
    assert run.config_id == old.config_id == updated.config_id


def test_old_and_new_records_of_one_content_belong_to_one_configuration(old, new):
    run, updated = update_record([old, new], old)
    assert run.config_id == new.config_id == updated.config_id


def test_a_record_tells_which_commits_have_the_content_of_a_folder(old, tiny_bert, tiny_glue):
    cfg = absent_config(source=tiny_glue, model=tiny_bert)
    located = locate(cfg)
    record = replace(record_of(model=located.model_identity), model_address=MODEL)
    identities = Identities([record])
    identities.run(cfg)
    former = config_id(cfg, data=located.source.identity, model=MODEL)
    (updated,) = identities.update([replace(old, config_id=former)])
    assert updated.config_id == located.config_id


def test_records_of_other_runs_are_not_updated(old, new):
    other = replace(old, config_id="0123456789")
    assert update_record([old, new], other)[1] == other


@pytest.mark.parametrize("revision", ["c0ffee", "null"])
def test_the_address_of_a_record_may_match_the_revision(new, revision):
    run = Identities([new]).run(absent_config(f"model.revision={revision}"))
    assert run.config_id == config_id(run.cfg, data=DATA, model=CONTENT)


def test_the_address_of_a_record_may_contradict_the_revision(new):
    with pytest.raises(ContentError, match=f"which model it is either: {CONTENT} in 1"):
        Identities([new]).run(absent_config("model.revision=main"))


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
    assert identities.update(committed) == committed


def test_committed_mini_records_identify_their_runs_without_data_and_model(committed):
    narrowing = ["scale=mini", "task=cola_1k", "seed=0", "method=standard,bert_adam,reinit"]
    places = ["data.source=/x", "model.name=/x"]
    configs = read_sweep("table2").narrow([*narrowing, *places]).configs()
    identities = Identities(committed)
    keys = {identities.run(cfg).key for cfg in configs}
    assert keys <= {record.key for record in committed}


# ---------------------------------------------------------------- pinned revisions


def test_a_pinned_revision_matches_records_of_it():
    cfg = absent_config("model.revision=c0ffee")
    run = Identities([record_of()]).run(cfg)
    assert run.config_id == config_id(cfg, data=DATA, model=MODEL)


def test_a_pinned_revision_does_not_match_records_of_another():
    with pytest.raises(ContentError, match="which model it is"):
        Identities([record_of()]).run(absent_config("model.revision=main"))


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

    def locate_data(source, task, revision):
        calls.append((source, task, revision))
        return SimpleNamespace(content=Content(DATA))

    def locate_model(name, revision):
        calls.append((name, revision))
        return tiny_bert, Content(MODEL)

    monkeypatch.setattr(identities_module, "locate_data", locate_data)
    monkeypatch.setattr(identities_module, "locate_model", locate_model)
    Identities([]).run(absent_config("task=rte", "data.revision=d1", "model.revision=m1"))
    assert calls == [("/absent", "rte", "d1"), ("org/bert", "m1")]


def test_a_located_content_keeps_its_own_addresses_and_gets_those_of_records(monkeypatch):
    data = SimpleNamespace(content=Content(DATA, ("nyu-mll/glue@1",)))
    monkeypatch.setattr(identities_module, "locate_data", lambda *_: data)
    cfg = absent_config()
    run = Identities([replace(record_of(), data_address="nyu-mll/glue@2")]).run(cfg)
    former = [config_id(cfg, data=f"nyu-mll/glue@{i}", model=MODEL) for i in (1, 2)]
    assert run.former_ids == tuple(former)


def test_contents_of_one_identity_are_merged_with_all_their_addresses():
    contents = [("a@1",), ("a@2",)]
    contents = [*(Content(CONTENT, names) for names in contents), Content("a@1"), Content(DATA)]
    merged = identities_module._merge(contents)
    assert merged == {CONTENT: Content(CONTENT, ("a@1", "a@2")), DATA: Content(DATA)}


@pytest.mark.parametrize("seed", [0, 3])
def test_a_run_whose_record_has_a_former_identifier_stays_in_its_folder(new, tmp_path, seed):
    cfg = absent_config(f"seed={seed}", f"paths.runs={tmp_path}")
    former = config_id(cfg, data=DATA, model=MODEL)
    folder = tmp_path / "mini" / "rte" / "standard" / former / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "result.json").touch()
    run = Identities([new]).run(cfg)
    assert (run.folder, run.config_id) == (folder, config_id(cfg, data=DATA, model=CONTENT))


def test_a_run_without_a_record_gets_the_folder_of_its_identifier(new, tmp_path):
    cfg = absent_config("seed=3", f"paths.runs={tmp_path}")
    run = Identities([new]).run(cfg)
    assert run.folder == tmp_path / "mini" / "rte" / "standard" / run.config_id / "seed3"
