"""Messages never show the credentials of a URL."""

import pytest

from stablebert.errors import ActionableError, mask_credentials
from stablebert.ops.finding import Finding
from stablebert.training.lifecycle import _crash_record

SECRET = "hf_secret"
URL = f"https://me:{SECRET}@mirror.org/api"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"{URL} does not answer", "https://***@mirror.org/api does not answer"),
        ("(https://token@host:80)", "(https://***@host:80)"),
        ("http://me:p@ss@host/x", "http://***@host/x"),
        ("http://a:b@c, http://d:e@f", "http://***@c, http://***@f"),
        ("https://host/path@1 me@host", "https://host/path@1 me@host"),
        ("https://host?mail=me@host", "https://host?mail=me@host"),
    ],
)
def test_the_user_and_password_of_every_url_are_masked(text, masked):
    assert mask_credentials(text) == masked


def test_an_error_for_the_user_masks_credentials():
    assert (
        str(ActionableError(f"no answer from {URL}")) == "no answer from https://***@mirror.org/api"
    )


def test_a_finding_masks_credentials():
    assert SECRET not in str(Finding("note", f"hub: {URL} answers"))


def test_a_crash_record_masks_credentials():
    record = _crash_record(RuntimeError(f"no answer from {URL}"), step=1)
    assert "no answer from" in record["message"]
    assert SECRET not in str(record)
