"""One process at a time executes a run, on one machine or over a shared file system.

A claim is a file in the run's folder that its holder touches every minute. It falls when the holder
is known to be dead, or has not touched it for five minutes. A claim only saves work: what makes
records safe is that the first one written wins.
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
LITTER = {".part", ".fallen"}
HEARTBEAT = 60.0
"""Seconds between two touches."""
STALE = 300.0
"""Seconds without a touch after which another process may take over."""


class ClaimedError(ActionableError):
    """Another process executes this run."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the claim on a run while the block runs.

    Raises:
        ClaimedError: another process holds it, and is alive as far as one can tell.
    """
    path = folder / CLAIM
    me = {**_here(), "token": uuid4().hex}
    while not _create(path, me):
        _take_over(path)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, me["token"], stop), daemon=True)
    beat.start()
    try:
        for file in folder.iterdir():
            if file.suffix in LITTER:
                file.unlink(missing_ok=True)  # of a killed process
        yield
    finally:
        stop.set()
        beat.join()
        if _read(path).get("token") == me["token"]:  # else it was taken over meanwhile
            path.unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Whether a process that seems alive executes this run."""
    path = folder / CLAIM
    return path.exists() and not _has_fallen(path)


def _create(path: Path, content: dict[str, object]) -> bool:
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        part.write_text(json.dumps(content), encoding="utf-8")
        os.link(part, path)
    except FileExistsError:
        # over NFS a repeated request finds what the first one made
        return _read(path).get("token") == content["token"]
    except OSError:  # no hard links on this file system
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(content, file)
        except FileExistsError:
            return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _take_over(path: Path) -> None:
    """Remove a claim that has fallen.

    Of two processes that see it fall the slower one may remove the faster one's new claim; both
    then execute the run, and the first record stands.
    """
    holder = _read(path)
    if not _has_fallen(path):
        if path.exists():
            raise ClaimedError(
                f"{path.parent} is being run by process {holder.get('pid')} on {holder.get('host')}"
            )
        return  # released this moment
    aside = path.with_name(f"{path.name}.{uuid4().hex}.fallen")
    with suppress(FileNotFoundError):  # another process was faster
        path.rename(aside)
        aside.unlink(missing_ok=True)


def _has_fallen(path: Path) -> bool:
    """Whether the holder of a claim is dead, or has been silent for too long."""
    holder = _read(path)
    here = _here()
    if holder and all(holder.get(key) == here[key] for key in ("host", "boot", "namespace")):
        return _started(int(str(holder.get("pid", 0)))) != holder.get("started")
    probe = path.with_name(f"{path.name}.{uuid4().hex}.probe")
    try:  # both times by the clock of the file system, whatever the clocks of the machines
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True
    except OSError:  # nothing can be written here: for whoever runs it to say
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


def _here() -> dict[str, object]:
    """This process: a number means something only on its machine, boot and namespace."""
    return {
        "host": platform.node(),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
    }


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None where there is no such process."""
    stat = _text(f"/proc/{pid}/stat")
    if stat:
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else rest[18]
    if Path("/proc/self").exists():
        return None
    try:  # no /proc: whether it lives is all that can be known
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
        if _read(path).get("token") == token:  # else it was taken over
            with suppress(OSError):
                os.utime(path)
