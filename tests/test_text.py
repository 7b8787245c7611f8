import pytest

from stablebert.text import escape_controls


@pytest.mark.parametrize("text", ["a ± b", "Größe 世界 🙂", "", "a\\b"])
def test_text_that_can_be_printed_stays(text):
    assert escape_controls(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\r", r"a\nb\r"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\u202e", r"\u202e"),
        ("\udcff", r"\udcff"),
    ],
)
def test_characters_that_a_terminal_may_act_on_are_escaped(text, escaped):
    assert escape_controls(text) == escaped


def test_some_characters_can_be_kept():
    assert escape_controls("a\nb\t", keep="\n") == "a\nb\\t"
