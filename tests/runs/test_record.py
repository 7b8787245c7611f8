"""Records are read back as they were written, and damaged ones are refused by name."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict
from functools import partial

import pytest

from stablebert.runs.record import (
    RecordError,
    check_location,
    parse_record,
    read_record,
    serialize_record,
)
from tests.helpers.campaign import run_campaign
from tests.helpers.edits import edit_randomly
from tests.helpers.runs import make_run, make_run_record, store_run_record


@pytest.fixture
def record():
    """Record of a run on MRPC."""
    return make_run_record(make_run(".", "task=mrpc", "seed=3"), test_at_last=0.5)


@pytest.fixture
def fields(record):
    """Fields of a complete record without a digest, as older versions stored them."""
    return json.loads(json.dumps(asdict(record)))


def test_a_record_is_read_as_it_was_written(tmp_path):
    run = make_run(tmp_path)
    assert read_record(run.folder) is None
    assert store_run_record(run) == read_record(run.folder)


def with_own_metric(fields, score=0.7, error=7.5):
    """Return the fields with a reported torchmetrics class, and one without bounds."""
    metrics = {"CohenKappa": score, "MeanSquaredError": error}
    places = dict.fromkeys(fields["metrics"], metrics)
    scores = dict.fromkeys(("val_best", "test_at_best", "test_at_last"), score)
    return {**fields, **scores, "metric": "CohenKappa", "metrics": places}


def test_a_torchmetrics_class_may_be_negative_and_one_that_is_not_reported_anything(fields):
    record = parse_record(json.dumps(with_own_metric(fields, score=-0.2)))
    assert record.metrics["val_at_best"] == {"CohenKappa": -0.2, "MeanSquaredError": 7.5}


def test_a_reported_torchmetrics_class_is_at_most_1(fields):
    with pytest.raises(ValueError, match=r"test_at_best.CohenKappa=1.5 is not from -1 to 1"):
        parse_record(json.dumps(with_own_metric(fields, score=1.5)))


def test_the_key_of_a_record_is_the_key_of_its_run():
    run = make_run(".", "seed_init=1", "seed_data=2")
    assert make_run_record(run).key == run.key == (run.config_id, (1, 2))


@pytest.mark.parametrize("text", ["", '{"task": "rt', "[]", '{"task": "rte"}', "\xff"])
def test_a_damaged_record_is_reported_with_its_path(tmp_path, text):
    (tmp_path / "result.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match=r"result\.json.*force=true runs it again"):
        read_record(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_something_else_in_its_place_is_reported(tmp_path, make):
    make(tmp_path / "result.json")
    with pytest.raises(RecordError, match=r"result\.json.*([Nn]ot a regular file|Is a directory)"):
        read_record(tmp_path)


# ---------------------------------------------------------------- fields and their types


def test_a_record_without_the_optional_field_is_accepted(fields):
    del fields["start"]
    assert parse_record(json.dumps(fields)).start is None


@pytest.mark.parametrize("name", ["node", "job", "gpu_seconds"])
def test_an_older_record_does_not_say_where_it_was_made(fields, name):
    del fields[name]
    assert getattr(parse_record(json.dumps(fields)), name) is None


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
        ("device", "\ud800"),
        ("seed", "3"),
        ("steps", 20.5),
        ("threads", None),
        ("val_best", None),
        ("test_at_best", True),
        ("test_at_last", float("nan")),
        ("peak_memory_bytes", float("inf")),
        ("val_best", int("9" * 400)),
        ("metrics", {"val_at_best": {}}),
        ("majority", []),
        ("majority", {"val": 0.5, "test": None, "dev": 0.5}),
        ("splits", {"train": {}}),
        ("splits", {"train": None, "val": {"rows": 1}, "test": {"rows": 1}}),
        ("seconds", {"train": "1.0"}),
        ("versions", {"torch": 2}),
        ("predictions", {"dev_at_last": {"entailment": [1]}}),
        ("start", "rte"),
    ],
)
def test_a_field_of_another_type_is_named(fields, name, value):
    with pytest.raises(ValueError, match=f"invalid values: {name}="):
        parse_record(json.dumps({**fields, name: value}))


def test_every_invalid_field_is_reported(fields):
    with pytest.raises(ValueError, match="task=1, seed='2'"):
        parse_record(json.dumps({**fields, "task": 1, "seed": "2"}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "nested too deeply|Expecting"),
        ('{"task": "rte", "task": "cola"}', "task is given twice"),
        ("9" * 5000, "4300 digits"),
    ],
)
def test_a_text_that_no_json_writer_leaves_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_record(text)


# ---------------------------------------------------------------- contradictions


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (("val_best",), 5.0, r"val_best=5.0 contradicts metrics.val_at_best.f1=0.7"),
        (("test_at_best",), 0.8, r"test_at_best=0.8 contradicts metrics.test_at_best.f1=0.7"),
        (("test_at_last",), 0.4, r"test_at_last=0.4 contradicts metrics.test_at_last.f1=0.5"),
        (("metrics", "test_at_last"), {"accuracy": 0.5}, "contradicts .*f1=None"),
        (("metrics", "dev_at_last", "f1"), 1.01, r"dev_at_last.f1=1.01 is not from 0 to 1"),
        (("metrics", "dev_at_last", "accuracy"), -0.1, "is not from 0 to 1"),
        (("metrics", "dev_at_last", "luck"), 0.5, "luck is not one of accuracy, f1, "),
        (("majority", "test"), 52.5, "majority.test=52.5 is not from 0 to 1"),
        (("metric",), "luck", "metric='luck' is not one of accuracy, f1, "),
        (("status",), "Ok", "status='Ok' is neither ok nor failed"),
        (("val_best_step",), 21, "val_best_step=21 is not from 1 to 20"),
        (("skipped_steps",), 21, "skipped_steps=21 is not from 0 to 20"),
        (("steps",), 0, "steps=0 is not from 1"),
        (("seed_data",), -1, "seed_data=-1 is not from 0 to 4294967295"),
        (("seed",), -1, "^seed=-1 is not from 0 to 4294967295"),
        (("seed",), 2**32, "^seed=4294967296 is not from 0 to 4294967295"),
        (("seed_init",), -1, "^seed_init=-1 is not from 0 to 4294967295"),
        (("evaluations",), -1, "^evaluations=-1 is not from 0 to"),
        (("threads",), 0, "^threads=0 is not from 1 to"),
        (("peak_memory_bytes",), -1, "^peak_memory_bytes=-1 is not from 0 to"),
        (("gpu_seconds",), -1.0, "^gpu_seconds=-1.0 is not from 0 to"),
        (("pruned_from",), [[0, 0], [1]], r"^pruned_from=\[\[0, 0\], \[1\]\] does not consist of"),
        (("padding_efficiency",), 90, "padding_efficiency=90 is not from 0 to 1"),
        (("seconds", "train"), -2.0, "seconds.train=-2.0 is not from 0"),
        (("splits", "train", "rows"), "x", "splits.train.rows=0 is not from 1"),
        (("splits", "test", "rows"), 0, "splits.test.rows=0 is not from 1"),
    ],
)
def test_a_value_that_cannot_be_true_is_named(fields, place, value, problem):
    *groups, name = place
    inner = fields
    for group in groups:
        inner = inner[group]
    inner[name] = value
    with pytest.raises(ValueError, match=problem):
        parse_record(json.dumps(fields))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("evaluations", 0),
        ("peak_memory_bytes", 0),
        ("skipped_steps", 20),
        ("val_best_step", 20),
        ("padding_efficiency", 1),
        ("pruned_from", [[0, 0], [1, 0]]),
    ],
)
def test_a_value_at_its_bound_is_accepted(fields, name, value):
    assert getattr(parse_record(json.dumps({**fields, name: value})), name) == value


def test_a_correlation_may_be_negative():
    record = make_run_record(make_run(".", "task=stsb"), -0.25)
    assert parse_record(json.dumps(asdict(record))) == record


def test_a_run_without_a_number_has_score_zero(fields):
    for place in fields["metrics"]:
        fields["metrics"][place] = {"f1": None, "accuracy": None}
    fields |= {"val_best": 0.0, "test_at_best": 0.0, "test_at_last": 0.0, "val_best_step": None}
    assert parse_record(json.dumps(fields)).test_at_best == 0


# ---------------------------------------------------------------- digest


def test_a_record_with_a_changed_digit_is_refused(record):
    text = json.dumps(serialize_record(record))
    with pytest.raises(ValueError, match="its digest does not match"):
        parse_record(text.replace('"train": 2.0', '"train": 3.0'))


def test_the_digest_does_not_depend_on_order_or_spelling(record):
    stored = serialize_record(record)
    text = json.dumps(dict(reversed(stored.items()))).replace('"train": 2.0', '"train": 2')
    assert parse_record(text) == record


def test_the_digest_allows_an_absent_optional_field(record):
    stored = serialize_record(record)
    del stored["start"]
    assert parse_record(json.dumps(stored)) == record


@pytest.mark.parametrize("edits", [range(50), pytest.param(range(8000), marks=pytest.mark.stress)])
def test_random_edits_of_a_record_are_refused_by_name(tmp_path, capsys, edits):
    runs = [make_run(tmp_path, f"task={task}") for task in ("rte", "mrpc", "stsb", "cola")]
    for run in runs:
        store_run_record(run)
    run_campaign(capsys, partial(check_random_edit, runs), edits)


def check_random_edit(runs, number):
    """Check that a random edit of a record is refused by name, or changes no value."""
    run = runs[number % len(runs)]
    record, path = make_run_record(run), run.folder / "result.json"
    original = json.dumps(serialize_record(record), indent=1).encode()
    path.write_bytes(edit_randomly(original, number))
    try:
        result = read_record(run.folder)
    except RecordError as error:
        result = record if str(path) in str(error) else error
    assert result == record


def test_random_edits_of_an_older_record_are_no_other_error(fields):
    text = json.dumps(fields, indent=1).encode()
    for seed in range(300):
        with suppress(ValueError):
            parse_record(edit_randomly(text, seed))


# ---------------------------------------------------------------- folder


@pytest.mark.parametrize(
    "other",
    ["seed=1", "seed_init=1", "task=cola", "method=reinit", "optimizer.lr=1e-4"],
)
def test_a_record_copied_to_another_run_is_refused(tmp_path, other):
    one, two = make_run(tmp_path), make_run(tmp_path, other)
    store_run_record(one)
    shutil.copytree(one.folder, two.folder)
    place = f"mini/rte/standard/{one.config_id}/seed0"
    with pytest.raises(RecordError, match=f"not in the folder of its run, which is {place}"):
        read_record(two.folder)


def test_the_folder_of_a_run_may_be_reached_through_a_link(tmp_path):
    run = make_run(tmp_path / "runs")
    record = store_run_record(run)
    (tmp_path / "latest").symlink_to(run.folder)
    check_location(record, str(tmp_path / "latest"))


def test_the_folder_of_a_run_may_be_a_link_to_another_disk(tmp_path):
    run = make_run(tmp_path / "runs")
    record = store_run_record(run)
    run.folder.rename(tmp_path / "disk")
    run.folder.symlink_to(tmp_path / "disk")
    assert read_record(run.folder) == record


def test_a_run_is_not_done_because_its_folder_is_a_link_to_another_run(tmp_path):
    one, two = make_run(tmp_path), make_run(tmp_path, "seed=1")
    store_run_record(one)
    two.folder.symlink_to(one.folder)
    with pytest.raises(RecordError, match=r"seed1/result\.json: not in .*is a link; delete"):
        read_record(two.folder)


def test_a_record_that_is_a_broken_link_is_reported(tmp_path):
    run = make_run(tmp_path)
    run.folder.mkdir(parents=True)
    (run.folder / "result.json").symlink_to("absent")
    with pytest.raises(RecordError, match=r"result\.json: .*No such file"):
        read_record(run.folder)


def test_a_relative_folder_is_that_of_its_run(tmp_path, monkeypatch):
    run = make_run(tmp_path)
    record = store_run_record(run)
    monkeypatch.chdir(run.folder)
    check_location(record, ".")


def test_below_a_file_there_is_no_record(tmp_path):
    (tmp_path / "runs").touch()
    assert read_record(tmp_path / "runs" / "seed0") is None
