"""Reading and naming files: nothing waits, and every error names its file."""

import errno
import os

import pytest

from stablebert.errors import ActionableError, ConfigError
from stablebert.filesystem import expand_path, naming_file, read_bytes


def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_path("paths.runs", "~/runs") == tmp_path / "runs"


def test_the_home_of_an_unknown_user_is_refused():
    with pytest.raises(ConfigError, match=r"paths\.runs=~nosuchuser/x: there is no such user"):
        expand_path("paths.runs", "~nosuchuser/x")


def test_a_file_is_read_whole(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\n")
    assert read_bytes(tmp_path / "x") == b"\xff\n"


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "x")


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "x")
    with pytest.raises(OSError, match=r"Not a regular file: '.*/x'"):
        read_bytes(tmp_path / "x")


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(OSError, match="Not a regular file"):
        read_bytes(tmp_path)


@pytest.fixture
def full_device():
    """Path of a device to which nothing can be written."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    return "/dev/full"


def test_a_write_to_a_full_disk_names_the_file(full_device):
    with (
        pytest.raises(OSError, match=r"No space left on device: 'x\.csv'"),
        naming_file("x.csv"),
        open(full_device, "w") as file,
    ):
        file.write("text")


def test_an_error_that_names_its_file_is_kept():
    with pytest.raises(FileNotFoundError) as error, naming_file("x.csv"):
        os.stat("/nowhere")
    assert error.value.filename == "/nowhere"


def test_the_kind_of_an_error_is_kept():
    with pytest.raises(PermissionError), naming_file("x.csv"):
        raise OSError(errno.EACCES, "Permission denied")


def test_a_fault_of_the_machine_that_a_library_wraps_names_the_file():
    with pytest.raises(OSError, match=r"No space left on device: 'x\.csv'"), naming_file("x.csv"):
        raise ValueError("cannot serialize: No space left on device (os error 28)")


@pytest.mark.parametrize("error", [ValueError("a bug"), ActionableError("File too large (27)")])
def test_any_other_error_is_kept(error):
    with pytest.raises(type(error)) as raised, naming_file("x.csv"):
        raise error
    assert raised.value is error
