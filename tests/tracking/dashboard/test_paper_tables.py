import pytest

from stablebert.report.paper import PaperNumber
from stablebert.tracking.dashboard.paper_tables import (
    entries_of,
    notes_on,
    table_names,
    to_markdown,
)


def entry(note="", **fields):
    blank = dict.fromkeys(PaperNumber.__dataclass_fields__, "")
    return PaperNumber(
        **{**blank, "row": "Re-init", "task": "rte", "value": "7", "note": note} | fields
    )


def test_all_tables_of_the_paper_are_known():
    assert table_names() == [f"table{i}" for i in range(1, 8)]


@pytest.mark.parametrize("table", table_names())
def test_a_table_has_a_column_for_each_task(table):
    header = to_markdown(table).splitlines()[0].strip("| ").split(" | ")
    assert {p.task for p in entries_of(table)} <= set(header)


@pytest.mark.parametrize("table", table_names())
def test_a_table_has_a_line_for_each_row(table):
    rows = {(p.row, p.length, p.statistic) for p in entries_of(table)}
    assert len(to_markdown(table).splitlines()) == 2 + len(rows)


def test_a_note_on_one_number_names_it():
    assert notes_on([entry("odd")]) == ["Re-init, rte, 7: odd"]


def test_a_note_on_several_numbers_is_listed_once():
    assert notes_on([entry("odd"), entry("odd", task="cola")]) == ["odd"]
