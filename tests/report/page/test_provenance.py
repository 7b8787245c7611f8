"""Facts on how the runs of a page were made."""

from stablebert.report.page.provenance import describe_cost, provenance_table
from tests.helpers.records import make_cell, make_record

CELL = make_cell()


def facts(records):
    return [tuple(entry.text for entry in row) for row in provenance_table(records).rows]


def test_every_value_has_its_number_of_runs():
    records = [make_record(CELL, i, device="a GPU" if i else "a CPU") for i in range(3)]
    assert [row[1:] for row in facts(records) if row[0] == "device"] == [
        ("a GPU", "2"),
        ("a CPU", "1"),
    ]


def test_rare_values_are_counted_together():
    records = [make_record(CELL, i, versions={"commit": str(min(i, 8))}) for i in range(10)]
    rows = [row[1:] for row in facts(records) if row[0] == "commit"]
    assert (len(rows), rows[0], rows[-1]) == (7, ("8", "2"), ("3 more values", "3"))


def test_a_package_that_is_not_installed_differs_from_one_that_older_records_do_not_name():
    versions = [{"commit": None, "peft": "0.21"}, {"commit": None, "peft": None}, {"commit": "c"}]
    rows = facts([make_record(CELL, i, versions=v) for i, v in enumerate(versions)])
    assert [row[1] for row in rows if row[0] == "peft"] == ["0.21", "not installed", "unknown"]
    assert [row[1:] for row in rows if row[0] == "commit"] == [("unknown", "2"), ("c", "1")]


def test_an_address_is_shown_with_the_content():
    record = make_record(CELL, model="sha256:12", model_address="org/bert@34")
    assert ("model", "org/bert@34 (sha256:12)", "1") in facts([record])


def test_the_cost_is_the_sum_of_all_phases():
    records = [make_record(CELL, i, seconds={"train": 1800.0, "test": 5.0}) for i in range(2)]
    assert describe_cost(records) == "2 runs took 1:00:10 of wall-clock time in total."
