"""Records are read back as they were written, and damaged ones are refused by name."""

import json
from dataclasses import asdict

import pytest

from stablebert.runs.record import RecordError, parse_record, read_record
from tests.helpers.runs import make_run, make_run_record, store_run_record


@pytest.fixture
def fields():
    """Fields of a complete record, as JSON holds them."""
    return json.loads(json.dumps(asdict(make_run_record(make_run(".", "task=mrpc", "seed=3")))))


def test_a_record_is_read_as_it_was_written(tmp_path):
    run = make_run(tmp_path)
    assert read_record(run.folder) is None
    assert store_run_record(run) == read_record(run.folder)


def test_the_key_of_a_record_is_the_key_of_its_run():
    run = make_run(".", "seed_init=1", "seed_data=2")
    assert make_run_record(run).key == run.key == (run.config_id, (1, 2))


@pytest.mark.parametrize("text", ["", '{"task": "rt', "[]", '{"task": "rte"}', "\xff"])
def test_a_damaged_record_is_reported_with_its_path(tmp_path, text):
    (tmp_path / "result.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match=r"result\.json.*force=true runs it again"):
        read_record(tmp_path)


def test_a_record_without_the_optional_field_is_accepted(fields):
    del fields["start"]
    assert parse_record(json.dumps(fields)).start is None


@pytest.mark.parametrize("name", ["task", "seed_data", "steps", "versions"])
def test_a_missing_field_is_named(fields, name):
    del fields[name]
    with pytest.raises(ValueError, match=rf"differs in .*'{name}'"):
        parse_record(json.dumps(fields))


def test_an_unknown_field_is_named(fields):
    with pytest.raises(ValueError, match=r"differs in .*'lucky'"):
        parse_record(json.dumps({**fields, "lucky": True}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", 3),
        ("seed", "3"),
        ("val_best", None),
        ("test_at_best", True),
        ("test_at_last", float("nan")),
        ("metrics", {"val_at_best": {}}),
        ("majority", []),
        ("splits", {"train": {}}),
    ],
)
def test_a_field_of_another_type_is_named(fields, name, value):
    with pytest.raises(ValueError, match=f"invalid values: {name}="):
        parse_record(json.dumps({**fields, name: value}))


def test_every_invalid_field_is_reported(fields):
    with pytest.raises(ValueError, match="task=1, seed='2'"):
        parse_record(json.dumps({**fields, "task": 1, "seed": "2"}))
