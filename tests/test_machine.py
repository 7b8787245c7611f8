"""The GPUs that workers can use, and memory that is kept: split GPUs, old and failing systems."""

import os

import pytest

from stablebert import machine
from stablebert.errors import ActionableError
from stablebert.machine import (
    MMAP_THRESHOLD,
    device_names,
    keep_freed_memory,
    processor_name,
    visible_gpus,
)

A, B = "GPU-8f6e1f3a-0000-1111-2222-333344445555", "GPU-b1b2c3d4-0000-1111-2222-333344445555"
MIG = ["MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"]
TWO = f"""\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: {A})
GPU 1: NVIDIA H100 80GB HBM3 (UUID: {B})
"""
SPLIT = f"""\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})
  MIG 3g.20gb     Device  0: (UUID: {MIG[0]})
  MIG 1g.5gb      Device  1: (UUID: {MIG[1]})
GPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})
"""


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    """A torch for CUDA, and no CUDA_VISIBLE_DEVICES."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0")


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Function that installs an `nvidia-smi` that runs a shell script."""

    def install(script):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return install


@pytest.mark.parametrize(
    ("variable", "gpus"),
    [
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("3", ["3"]),
        ("0,2", ["0", "2"]),
        (" 0 , 2", ["0", "2"]),
        ("1,-1,0", ["1"]),
        (f"{A},{B}", [A, B]),
        (MIG[1], [MIG[1]]),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(monkeypatch, variable, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert visible_gpus() == gpus


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "gpus"),
    [
        (TWO, [A, B]),
        (SPLIT, [*MIG, B]),
        ("GPU 0: Tesla K80", ["0"]),
        ("No devices found.", []),
        ("", []),
    ],
)
def test_the_driver_names_gpus_and_the_instances_of_those_that_are_split(driver, output, gpus):
    driver(f"cat <<'END'\n{output}\nEND")
    assert visible_gpus() == gpus


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("echo NVIDIA-SMI has failed; exit 9", "exit status 9: NVIDIA-SMI has failed"),
        ("echo NVIDIA-SMI has failed >&2; exit 9", "exit status 9: NVIDIA-SMI has failed"),
        ("exit 3", "exit status 3:"),
        (f"cat <<'END'\n{TWO}END\nexit 1", "exit status 1: GPU 0: NVIDIA H100"),
        ("printf '\\033[2J\\n\\377'", r"\x1b[2J"),
        ("echo No devices found.", "No devices found."),
        ("true", "it printed nothing"),
    ],
)
def test_a_driver_that_names_no_gpu_is_reported_in_one_line(driver, caplog, script, text):
    driver(script)
    assert visible_gpus() == []
    (message,) = caplog.messages
    assert message.startswith(f"nvidia-smi lists no GPU, so none is used: {text}")
    assert "\n" not in message


@pytest.mark.slow
def test_a_program_that_cannot_be_executed_is_reported(driver, tmp_path, caplog):
    driver("true")
    (tmp_path / "nvidia-smi").chmod(0o755)
    (tmp_path / "nvidia-smi").write_bytes(b"\x7fELF")
    assert visible_gpus() == []
    assert "Exec format error" in caplog.text


def test_no_driver_means_no_gpu(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    assert caplog.messages == []


@pytest.mark.slow
def test_a_driver_that_hangs_is_reported(driver, monkeypatch):
    monkeypatch.setattr(machine, "DRIVER_SECONDS", 0.2)  # short on purpose
    driver("exec sleep 600")
    with pytest.raises(ActionableError, match=r"nvidia-smi does not answer within 0\.2 s; repair"):
        visible_gpus()


def test_a_torch_for_cpus_uses_no_gpu(monkeypatch):
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0+cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert visible_gpus() == []


class Glibc:
    """A C library that refuses a threshold above a limit, as glibc before 2.35 does."""

    def __init__(self, limit):
        self.limit = limit
        self.threshold = 2**17

    def mallopt(self, option, value):
        if option == MMAP_THRESHOLD:
            if value > self.limit:
                return 0
            self.threshold = value
        return 1


@pytest.mark.parametrize(("limit", "threshold"), [(2**31, 2**30), (2**25, 2**25)])
def test_the_largest_threshold_that_the_c_library_accepts_is_set(monkeypatch, limit, threshold):
    libc = Glibc(limit)
    monkeypatch.setattr(machine, "_libc", lambda: libc)
    keep_freed_memory.__wrapped__()
    assert libc.threshold == threshold


# ---------------------------------------------------------------- names


def test_devices_are_named_as_records_name_them(driver):
    driver(
        f"echo 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: {A})'; echo '  MIG 1g.10gb (UUID: {MIG[0]})'"
    )
    assert device_names() == {processor_name(), "NVIDIA H100 80GB HBM3"}


def test_devices_are_named_next_to_a_driver_that_does_not_answer(driver, monkeypatch):
    monkeypatch.setattr(machine, "_list_gpus", raise_no_answer)
    assert device_names() == {processor_name()}


def raise_no_answer():
    raise ActionableError("nvidia-smi does not answer")
