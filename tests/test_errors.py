"""Messages show no credentials of a URL; faults of the machine are recognized."""

import errno
import os
import sys

import pytest

from stablebert.errors import (
    MACHINE_ERRORS,
    ActionableError,
    describe_system_error,
    machine_fault,
    mask_credentials,
    mask_standard_streams,
)
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


def test_a_finding_does_not_control_the_terminal():
    assert "\x1b" not in str(Finding("note", "hub: \x1b[2J"))


def test_a_crash_record_masks_credentials():
    record = _crash_record(RuntimeError(f"no answer from {URL}"), step=1)
    assert "no answer from" in record["message"]
    assert SECRET not in str(record)


FULL = OSError(errno.ENOSPC, "No space left on device")


def wrap(error, *, cause=None, context=None):
    error.__context__ = context
    if cause:  # setting a cause hides the context
        error.__cause__ = cause
    return error


def test_full_disks_and_failing_systems_are_faults_of_the_machine():
    names = {errno.errorcode[number] for number in MACHINE_ERRORS}
    assert names >= {"ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ESTALE"}
    assert names >= {"EMFILE", "ENFILE", "ENOMEM"}


@pytest.mark.parametrize("number", sorted(MACHINE_ERRORS), ids=errno.errorcode.get)
@pytest.mark.parametrize(
    "text",
    [
        "Error while serializing: I/O error: {0} (os error {1})",
        "unable to open file <x> in read-only mode: {0} ({1})",
        'IoError(Os {{ code: {1}, kind: Other, message: "{0}" }})',
    ],
)
def test_a_fault_that_a_library_quotes_is_recognized(number, text):
    assert machine_fault(Exception(text.format(os.strerror(number), number))) == number


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        wrap(ValueError("no"), cause=FULL),
        wrap(ValueError("no"), context=FULL),
        wrap(OSError("no"), cause=FULL),
        wrap(ValueError("no"), cause=wrap(OSError(errno.ENOENT, "no"), context=FULL)),
    ],
    ids=["itself", "cause", "context", "OSError without number", "cause of the cause"],
)
def test_a_fault_is_found_behind_the_errors_that_wrap_it(error):
    assert machine_fault(error) == errno.ENOSPC


def test_a_fault_that_was_handled_is_none():
    error = wrap(ValueError("no"), context=FULL)
    error.__suppress_context__ = True  # as `raise ... from None` does
    assert machine_fault(error) is None


def test_an_error_that_is_its_own_cause_is_none():
    error = ValueError("no")
    assert machine_fault(wrap(error, cause=error)) is None


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOENT, "no file"),
        MemoryError("Unable to allocate 728. TiB"),
        RuntimeError("can't allocate memory. Error code 12 (Cannot allocate memory)"),
        RuntimeError("shape (28)"),
        RuntimeError("expected (5) and (99999999999999999999)"),
    ],
    ids=str,
)
def test_any_other_error_is_no_fault_of_the_machine(error):
    assert machine_fault(error) is None


def test_what_is_printed_masks_credentials(capsys):
    mask_standard_streams()
    mask_standard_streams()
    print(URL)
    sys.stderr.writelines([URL])
    assert capsys.readouterr() == ("https://***@mirror.org/api\n", "https://***@mirror.org/api")


def test_a_traceback_of_the_interpreter_masks_credentials(capsys):
    mask_standard_streams()
    error = RuntimeError(f"no answer from {URL}")
    sys.__excepthook__(type(error), error, None)
    assert capsys.readouterr().err == "RuntimeError: no answer from https://***@mirror.org/api\n"


def test_a_file_in_place_of_a_folder_is_called_one(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(FileExistsError) as error:
        path.mkdir(exist_ok=True)
    assert describe_system_error(error.value) == f"{path}: exists but is not a folder"
