"""CSV that neither a spreadsheet nor a terminal acts on."""

import csv
import io

import pytest

from stablebert.report.files import csv_text


def cells_of(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    "text", ["=cmd", "=1+cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-2+3", "  =1", "=1"]
)
def test_a_formula_is_text(text):
    assert cells_of(csv_text(["a"], [{"a": text}])) == [["a"], [f"'{text}"]]


@pytest.mark.parametrize("text", ["-", "-1.5", "+.5", "-1e-05", "2e-05", "a=b", "x@y", "", "0..4"])
def test_numbers_and_names_are_unchanged(text):
    assert cells_of(csv_text(["a", "b"], [{"a": text}])) == [["a", "b"], [text, ""]]


def test_a_line_feed_or_an_escape_sequence_is_visible():
    text = csv_text(["a"], [{"a": "x\x1b[2J\r\n=1"}])
    assert cells_of(text) == [["a"], [r"x\x1b[2J\r\n=1"]]


def test_the_header_is_escaped_too():
    assert csv_text(["=a\n"], []) == "'=a\\n\n"


def test_numbers_are_kept():
    assert csv_text(["a", "b", "c"], [{"a": -1.5, "b": True, "c": None}]) == "a,b,c\n-1.5,True,\n"
