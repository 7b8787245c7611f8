"""Widths of text in a terminal."""

import pytest

from stablebert.report.columns import fit, shorten, width_of, wrap, wrap_lines

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


@pytest.mark.parametrize(
    ("text", "width"),
    [
        pytest.param("RTE", 3, id="Latin letters"),
        pytest.param("模型", 4, id="wide characters"),
        pytest.param("e\u0301", 1, id="a combining accent"),
        pytest.param("", 0, id="nothing"),
    ],
)
def test_width_is_the_number_of_columns(text, width):
    assert width_of(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("standard", 8, "standard"),
        ("bert_adam_rescaled", 9, "bert…aled"),
        ("模型模型模型", 7, "模…型"),
    ],
)
def test_the_middle_of_a_wide_text_is_left_out(text, width, expected):
    assert shorten(text, width) == expected


def test_a_paragraph_is_broken_between_words_and_indented():
    assert wrap("one two three four", 9) == "one two\n  three\n  four"


def test_a_word_of_a_paragraph_that_is_too_wide_has_a_line_of_its_own():
    assert wrap("a 0123456789 b", 6) == "a\n  0123456789\n  b"


def test_control_characters_of_a_paragraph_are_escaped():
    assert wrap("a \x1b[31mred", 80) == "a \\x1b[31mred"


@pytest.mark.parametrize("text", ["one two three four", "x" * 99, f"a {WIDE * 5} b", " ", ""])
def test_wrapped_lines_are_not_wider_than_the_terminal(text):
    assert all(width_of(line) <= 12 for line in wrap_lines(text, 12, indent="  "))


def test_lines_are_wrapped_between_words_and_indented():
    assert wrap_lines("one two three", 8, indent="  ") == ["one two", "  three"]


def test_a_long_word_is_broken():
    assert wrap_lines("abcdefgh", 5, indent=" ") == ["abcde", " fgh"]


def test_a_text_of_too_many_lines_ends_in_an_ellipsis():
    assert wrap_lines("one two three four five", 6, most=2) == ["one", "two t…"]


def test_control_characters_are_escaped():
    assert wrap_lines("a\x1b[31m\nb\u202e", 40) == [r"a\x1b[31m\nb\u202e"]
