"""Claims: one process at a time executes a run, on one machine or over a shared file system.

A claim is a file in the run's folder that its holder touches every minute. It expires when the
holder is known to be dead, or has not touched it for five minutes. A claim only saves work: records
are safe because the first one written wins.
"""

import json
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from stablebert.errors import ActionableError

CLAIM = "claim.json"
LEFTOVERS = {".part", ".expired"}
"""Suffixes of files that a killed process leaves in the folder."""
HEARTBEAT = 60.0
"""Seconds between two touches."""
STALE = 300.0
"""Seconds without a touch after which another process may take over."""


class ClaimedError(ActionableError):
    """Another process is executing the run."""


@contextmanager
def hold_claim(folder: Path) -> Iterator[None]:
    """Hold the claim on a run while the block runs.

    Raises:
        ClaimedError: If another process holds it and appears to be alive.
    """
    path = folder / CLAIM
    holder = {**_this_process(), "token": uuid4().hex}
    while not _create(path, holder):
        _remove_expired(path)
    stop = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(path, holder["token"], stop), daemon=True)
    heartbeat.start()
    try:
        for file in folder.iterdir():
            if file.suffix in LEFTOVERS:
                file.unlink(missing_ok=True)
        yield
    finally:
        stop.set()
        heartbeat.join()
        if _read(path).get("token") == holder["token"]:  # otherwise it was taken over meanwhile
            path.unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Return whether a process that appears to be alive is executing the run."""
    path = folder / CLAIM
    return path.exists() and not _has_expired(path)


def _create(path: Path, content: dict[str, object]) -> bool:
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        part.write_text(json.dumps(content), encoding="utf-8")
        os.link(part, path)
    except FileExistsError:
        # over NFS a repeated request finds the file that the first one created
        return _read(path).get("token") == content["token"]
    except OSError:  # the file system has no hard links
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(content, file)
        except FileExistsError:
            return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _remove_expired(path: Path) -> None:
    """Remove an expired claim.

    If two processes see it expire, the slower one may remove the new claim of the faster one. Both
    then execute the run, and the first record is kept.

    Raises:
        ClaimedError: If the claim has not expired.
    """
    holder = _read(path)
    if not _has_expired(path):
        if path.exists():
            raise ClaimedError(
                f"{path.parent} is being run by process {holder.get('pid')} on {holder.get('host')}"
            )
        return  # released this moment
    aside = path.with_name(f"{path.name}.{uuid4().hex}.expired")
    with suppress(FileNotFoundError):  # another process was faster
        path.rename(aside)
        aside.unlink(missing_ok=True)


def _has_expired(path: Path) -> bool:
    """Return whether the holder of a claim is dead, or has not touched it for too long."""
    holder = _read(path)
    here = _this_process()
    if holder and all(holder.get(key) == here[key] for key in ("host", "boot", "namespace")):
        return _start_time(int(str(holder.get("pid", 0)))) != holder.get("started")
    probe = path.with_name(f"{path.name}.{uuid4().hex}.probe")
    try:  # take both times from the clock of the file system: machines' clocks may differ
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True
    except OSError:  # the folder is not writable: executing the run will report it
        return False
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def _this_process() -> dict[str, object]:
    """Describe this process; its number is unique only within a machine, boot and namespace."""
    return {
        "host": platform.node(),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


def _start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None if it does not exist."""
    stat = _text(f"/proc/{pid}/stat")
    if stat:
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else rest[18]
    if Path("/proc/self").exists():
        return None
    try:  # without /proc, only the existence of the process is known
        os.kill(pid, 0)
    except OSError:
        return None
    return "alive"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _beat(path: Path, token: object, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT):
        if _read(path).get("token") == token:  # otherwise it was taken over
            with suppress(OSError):
                os.utime(path)
