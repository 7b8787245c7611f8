"""Widths of text in a terminal."""

import pytest

from stablebert.report.layout import width_of
from stablebert.report.show.columns import fit, wrap

WIDE = "日本語のテキスト"


@pytest.mark.parametrize("text", ["abc", "a" * 50, WIDE * 9, "e\u0301" * 30, "\x1b[31m" * 9])
@pytest.mark.parametrize("width", [1, 2, 7, 8])
def test_a_fitted_text_takes_exactly_its_columns(text, width):
    assert width_of(fit(text, width)) == width


def test_a_cut_text_ends_in_an_ellipsis():
    assert fit("abcdef", 4) == "abc…"
    assert fit(WIDE, 6) == "日本… "


def test_a_number_is_padded_on_its_left():
    assert fit("12", 4, right=True) == "  12"


@pytest.mark.parametrize("text", ["one two three four", "x" * 99, f"a {WIDE * 5} b", " ", ""])
def test_wrapped_lines_are_not_wider_than_the_terminal(text):
    assert all(width_of(line) <= 12 for line in wrap(text, 12, indent="  "))


def test_lines_are_wrapped_between_words_and_indented():
    assert wrap("one two three", 8, indent="  ") == ["one two", "  three"]


def test_a_long_word_is_broken():
    assert wrap("abcdefgh", 5, indent=" ") == ["abcde", " fgh"]


def test_a_text_of_too_many_lines_ends_in_an_ellipsis():
    assert wrap("one two three four five", 6, most=2) == ["one", "two t…"]


def test_control_characters_are_escaped():
    assert wrap("a\x1b[31m\nb\u202e", 40) == [r"a\x1b[31m\nb\u202e"]
