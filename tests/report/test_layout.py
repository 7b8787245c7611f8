"""Tables fitted to the width of a terminal."""

import pytest

from stablebert.report.columns import width_of
from stablebert.report.layout import fit_table
from stablebert.report.render import Entry, Table


def make_table(head, *rows, labels=1, marked=()):
    """A table of texts; `marked` are the texts that are marked."""
    body = [[Entry(text=text, marked=text in marked) for text in row] for row in rows]
    return Table(title="", head=head, rows=body, labels=labels)


def test_a_table_that_fits_is_in_one_part():
    table = make_table(["method", "RTE", "CoLA"], ["reinit", "1.0", "22.5"])
    assert fit_table(table, 40) == (
        "method  RTE  CoLA\n"
        "-----------------\n"
        "reinit  1.0  22.5"
    )  # fmt: skip


def test_marks_do_not_move_numbers():
    table = make_table(["method", "RTE"], ["reinit", "1.0"], ["standard", "22.5"], marked=["1.0"])
    assert fit_table(table, 40).splitlines()[2:] == ["reinit     1.0*", "standard  22.5"]


def test_a_wide_table_is_split_into_parts_with_the_same_labels():
    table = make_table(["method", "first", "second", "third"], ["reinit", "1.0", "2.0", "3.0"])
    first, second = fit_table(table, 22).split("\n\n")
    assert [line.split() for line in first.splitlines()[::2]] == [
        ["method", "first", "second"],
        ["reinit", "1.0", "2.0"],
    ]
    assert [line.split() for line in second.splitlines()[::2]] == [
        ["method", "third"],
        ["reinit", "3.0"],
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    tasks = [f"task {i}" for i in range(12)]
    table = make_table(
        ["model", "method", *tasks],
        ["org/" + "模型" * 30, "standard+" * 9, *["12.3 ± 45.6"] * 12],
        labels=2,
        marked=["12.3 ± 45.6"],
    )
    assert max(map(width_of, fit_table(table, width).splitlines())) <= width


def test_columns_of_wide_characters_are_aligned():
    table = make_table(["model", "RTE"], ["模型", "1.0"], ["bert", "2.0"])
    assert [width_of(x) for x in fit_table(table, 40).splitlines()] == [10] * 4


def test_a_long_title_is_shortened_before_a_table_is_split():
    table = make_table(["title", "runs", "time"], ["a title of thirty-two characters", "1", "2"])
    lines = fit_table(table, 36).splitlines()
    assert len(lines) == 3
    assert lines[2].split("  ")[0] == "a title of t… characters"


def test_notes_are_below_their_number():
    row = [Entry(text="reinit"), Entry(text="1.0", notes=("failed 1/5",))]
    table = Table(title="", head=["method", "RTE"], rows=[row], labels=1)
    assert fit_table(table, 40).splitlines()[2:] == ["reinit         1.0", "        failed 1/5"]
