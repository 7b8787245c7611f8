"""JSON and JavaScript inside a page."""

import base64
import hashlib
import json

import pytest

from stablebert.report.page.scripts import pack_rows, policy, script_json
from tests.helpers.pages import unpack_rows


@pytest.mark.parametrize(
    "text",
    ["</script><script>alert(1)</script>", "<!--<script>", "&lt;", "\u2028\u2029", "\ud800", "é"],
)
def test_json_in_a_script_has_no_markup_and_keeps_its_value(text):
    code = script_json({"name": text})
    assert not set(code) & set("<>&\u2028\u2029")
    assert json.loads(code) == {"name": text}


def test_json_in_a_script_has_no_nan():
    with pytest.raises(ValueError, match="JSON"):
        script_json([float("nan")])


def test_packed_rows_are_unpacked():
    rows = [
        {"task": "rte", "score": 1.5, "best": True},
        {"task": "cola", "score": None, "best": False},
        {"task": "rte", "score": -2, "best": True},
    ]
    assert unpack_rows(pack_rows(rows)) == rows


def test_packed_rows_lack_nothing_that_another_row_has():
    assert unpack_rows(pack_rows([{"a": "x"}, {"b": 1}])) == [
        {"a": "x", "b": None},
        {"a": None, "b": 1},
    ]


def test_packed_texts_are_stored_once():
    assert script_json(pack_rows([{"folder": "a/long/path"}] * 5)).count("a/long/path") == 1


def test_the_policy_allows_the_scripts_and_nothing_else():
    digest = base64.b64encode(hashlib.sha256(b"f()").digest()).decode()
    directives = dict(part.strip().split(" ", 1) for part in policy(["f()"]).split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == f"'sha256-{digest}' 'unsafe-eval'"
    assert directives["img-src"] == "data: blob:"
