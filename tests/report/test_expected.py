"""What a sweep expects where data or model is not at hand: records tell what they were."""

import pytest

from stablebert.config.compose import compose
from stablebert.config.identity import config_id
from stablebert.runs.identities import ContentError, Identities
from stablebert.runs.locate import locate
from tests.helpers.records import make_cell, make_record

DATA, MODEL = "sha256:0123", "org/bert@c0ffee"


def cfg_of(*words, source="/absent", model="org/bert"):
    return compose(["scale=mini", f"data.source={source}", f"model.name={model}", *words])


def used(task="rte", scale="mini", data=DATA, model=MODEL):
    return make_record(make_cell(task, scale=scale), data=data, model=model)


def test_what_records_agree_on_stands_in_and_is_said():
    identities = Identities([used(), used(), used("cola", data="sha256:4567")])
    for words in (("seed=0",), ("seed=1", "method=reinit")):
        cfg = cfg_of(*words)
        assert identities.run(cfg).config_id == config_id(cfg, data=DATA, model=MODEL)
    identities.run(cfg_of("task=cola"))
    assert identities.assumptions == [
        f"data is not available; assuming the content that all records of mini rte used: {DATA}",
        "model is not available; assuming the content that all records of mini rte, mini cola "
        f"used: {MODEL}",
        "data is not available; assuming the content that all records of mini cola used: "
        "sha256:4567",
    ]


def test_what_is_at_hand_speaks_for_itself(tiny_glue, tiny_bert):
    cfg = cfg_of(source=tiny_glue, model=tiny_bert)
    identities = Identities([used()])
    run = identities.run(cfg)
    assert (run.config_id, run.folder) == (locate(cfg).config_id, locate(cfg).folder)
    assert not identities.assumptions
    half = Identities([used()]).run(cfg_of(source=tiny_glue))
    data = locate(cfg).source.identity
    assert half.config_id == config_id(cfg, data=data, model=MODEL)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "which data it is: there are none"),
        ([used("cola"), used(scale="paper")], "which data it is: there are none"),
        ([used(), used(), used(data="sha256:9")], f"which data it is: {DATA} in 2, sha256:9 in 1"),
        ([used(), used(model="sha256:9")], f"which model it is: {MODEL} in 1, sha256:9 in 1"),
        ([used(data="nyu-mll/glue@c0ffee")], "which data it is: nyu-mll/glue@c0ffee in 1"),
        ([used(model="org/other@c0ffee")], "which model it is: org/other@c0ffee in 1"),
    ],
)
def test_records_that_do_not_tell_are_named_after_the_first_error(records, said):
    with pytest.raises(ContentError) as caught:
        Identities(records).run(cfg_of())
    problem, told = str(caught.value).splitlines()
    assert ("'/absent' is not a folder" if " data " in said else "model 'org/bert'") in problem
    assert told == f"Nor do the records of mini rte tell {said}."


def test_a_pinned_revision_is_no_other():
    pinned = cfg_of("model.revision=c0ffee")
    assert Identities([used()]).run(pinned).config_id == config_id(pinned, data=DATA, model=MODEL)
    with pytest.raises(ContentError, match="which model it is"):
        Identities([used()]).run(cfg_of("model.revision=main"))
