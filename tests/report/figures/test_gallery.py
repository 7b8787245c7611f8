"""docs/gallery.md shows every kind of figure, and the commands that drew them."""

import re
import shlex
from pathlib import Path

import pytest

from stablebert.config.sweep import read_sweep
from stablebert.report.figures.registry import FIGURES

DOCS = Path(__file__).parents[3] / "docs"
ENTRY = re.compile(
    r"^## .*\n\n`(?P<kind>\w+)`: (?:.+\n)+\n"
    r"    (?P<command>stablebert report .*)\n\n"
    r"!\[.+\]\((?P<file>\S+)\)$",
    re.MULTILINE,
)
ENTRIES = {x["kind"]: x for x in ENTRY.finditer((DOCS / "gallery.md").read_text("utf-8"))}


def test_every_kind_of_figure_is_shown_once_in_the_order_of_reports():
    assert list(ENTRIES) == list(FIGURES)


@pytest.mark.parametrize("kind", FIGURES)
def test_the_image_is_the_file_that_its_command_writes(kind):
    _, _, sweep, *_ = shlex.split(ENTRIES[kind]["command"])
    path = DOCS / ENTRIES[kind]["file"]
    assert re.fullmatch(rf"{sweep}-{kind}(-\w+)?\.svg", path.name)
    assert path.read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize("kind", FIGURES)
def test_the_command_is_valid(kind):
    _, _, sweep, *arguments = shlex.split(ENTRIES[kind]["command"])
    assert arguments[-2:] == ["--figures", "svg"]
    assert read_sweep(sweep).narrow(arguments[:-2]).configs()
