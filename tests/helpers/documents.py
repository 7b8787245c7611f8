"""Text of the pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(page):
    return page.read_text("utf-8")


def prose_of(page):
    """Text of a page without its code blocks."""
    return re.sub(r"^    .*$", "", FENCE.sub("", text_of(page)), flags=re.MULTILINE)


def words_of(text):
    """Text with single spaces, to compare it whatever its line breaks."""
    return " ".join(text.split())
