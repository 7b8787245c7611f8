"""Memory, processor cores and GPUs of this machine, without importing torch."""

import ctypes
import logging
import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from textwrap import shorten
from typing import Any

from stablebert.errors import ActionableError
from stablebert.text import escape_controls
from stablebert.timeouts import run_with_timeout

log = logging.getLogger(__name__)

DRIVER_SECONDS = 20
DEVICE = re.compile(r"\d+|(GPU|MIG)-\S+")
"""An entry of CUDA_VISIBLE_DEVICES: an index or a UUID."""
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # malloc.h


@cache
def keep_freed_memory() -> None:
    """Have glibc keep freed memory in the process; does nothing with another C library.

    Otherwise, every training step on a CPU requests its large tensors again, page by page.
    """
    if libc := _libc():
        # before 2.35, glibc refuses more than 32 MiB and returns 0
        if not libc.mallopt(MMAP_THRESHOLD, 2**30):
            libc.mallopt(MMAP_THRESHOLD, 2**25)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)


def release_free_memory() -> None:
    """Return free memory to the system, between two runs, so that fragments do not add up."""
    if libc := _libc():
        libc.malloc_trim(0)


@cache
def _libc() -> Any:
    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except OSError:
        return None


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on a Mac
        return os.cpu_count() or 1


def processor_name() -> str:
    """Return the name of the processor, as records name it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def device_names() -> set[str]:
    """Return the names of the processor and the GPUs, as records name them."""
    names = {processor_name()}
    if not version("torch").endswith("+cpu"):
        with suppress(ActionableError):  # a grid that needs the GPUs reports it
            names.update(re.findall(r"^GPU \d+: (.*?) \(UUID", _list_gpus(), flags=re.MULTILINE))
    return names


def slurm_job() -> str | None:
    """Return the id of the SLURM job of this process, as squeue shows it; None outside of one."""
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def visible_gpus() -> list[str]:
    """Return the ids of the GPUs that workers can use, as CUDA_VISIBLE_DEVICES names them.

    They are those in CUDA_VISIBLE_DEVICES, else all. Of a GPU that is split (MIG) they are its
    instances, because its own id reaches only the first one. A torch for CPUs uses none. A driver
    that names no GPU is reported in a warning.

    Raises:
        ActionableError: If the driver does not answer.
    """
    if version("torch").endswith("+cpu"):
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # CUDA ignores what follows an entry that is no device, such as -1 or SLURM's NoDevFiles
        return list(takewhile(DEVICE.fullmatch, map(str.strip, visible.split(","))))
    output = _list_gpus()
    ids: list[str] = []
    for gpu in re.split(r"^(?=GPU \d)", output, flags=re.MULTILINE)[1:]:
        instances = re.findall(r"UUID: (MIG-[^)]+)", gpu)
        ids += instances or re.findall(r"UUID: (GPU-[^)]+)", gpu) or re.findall(r"\d+", gpu)[:1]
    if output and not ids:
        text = escape_controls(shorten(output, 200))
        log.warning("nvidia-smi lists no GPU, so none is used: %s", text)
    return ids


def _list_gpus() -> str:
    """Return what `nvidia-smi -L` prints: a line for each GPU and instance; empty without it."""
    command = partial(
        subprocess.run,
        ["nvidia-smi", "-L"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=DRIVER_SECONDS,
    )
    try:
        # a process that waits for a broken driver cannot even be killed
        process = run_with_timeout(DRIVER_SECONDS + 1, command)
    except (subprocess.TimeoutExpired, TimeoutError):
        raise ActionableError(
            f"nvidia-smi does not answer within {DRIVER_SECONDS} s; repair the driver, or set "
            "CUDA_VISIBLE_DEVICES: to the GPUs to use, or to nothing for a CPU"
        ) from None
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error)
    if process.returncode:
        return " ".join([f"exit status {process.returncode}:", *process.stdout.split()])
    return process.stdout.strip() or "it printed nothing"
