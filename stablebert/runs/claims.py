"""Claims: one process at a time executes a run, on one machine or over a shared file system.

A claim is a file in the run's folder that its holder touches every minute. It expires when the
holder is known to be dead, or has not touched it for five minutes; so does anything else in its
place. Only a process that has locked a claim removes it, so of several that take it over one wins;
where files cannot be locked, two may. A claim only saves work: records are safe because the first
one written wins.
"""

import json
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from stablebert.drafts import draft_folder, is_at, open_draft, remove_leftovers, try_lock
from stablebert.errors import ActionableError
from stablebert.filesystem import read_bytes
from stablebert.runs.files import CHECKPOINT
from stablebert.runs.strict_json import parse_object

CLAIM = "claim.json"
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
    holder = {**_this_process(), "since": _utc(time.time()), "token": uuid4().hex}
    while not _create(path, holder):
        _remove_expired(path)
    stop = threading.Event()
    heartbeat = threading.Thread(target=_beat, args=(path, holder["token"], stop), daemon=True)
    heartbeat.start()
    try:
        remove_leftovers(folder)
        yield
    finally:
        stop.set()
        heartbeat.join()
        with _lock(path, wait=True):
            if _read(path).get("token") == holder["token"]:  # otherwise it was taken over meanwhile
                path.unlink(missing_ok=True)


def clean_folder(folder: Path) -> None:
    """Delete what dead processes have left of a finished run: claim, drafts and checkpoint."""
    with suppress(ClaimedError, OSError):
        _remove_expired(folder / CLAIM)
        (folder / CHECKPOINT).unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Return whether a process that appears to be alive is executing the run."""
    path = folder / CLAIM
    return os.path.lexists(path) and not _has_expired(path)


def describe_claim(folder: Path) -> str:
    """Describe who executes a run, since when, and when the claim expires."""
    path = folder / CLAIM
    holder = _read(path)
    expiry = ""
    if not _is_alive(holder):
        with suppress(OSError):
            last_sign = path.lstat().st_mtime
            expiry = (
                f", last heard from at {_utc(last_sign)}; unless it is heard from again, its claim "
                f"expires at {_utc(last_sign + STALE)}"
            )
    if not holder:
        return f"an unknown process, because {path} is damaged{expiry}"
    since = f" since {holder['since']}" if "since" in holder else ""
    return f"process {holder.get('pid')} on {holder.get('host')}{since}{expiry}"


def _create(path: Path, content: dict[str, object]) -> bool:
    draft, file = open_draft(path)
    with file:
        try:
            json.dump(content, file)
            file.flush()
            _publish(draft, path)
        except FileExistsError:
            # over NFS a repeated request finds the file that the first one created
            return _read(path).get("token") == content["token"]
        finally:
            draft.unlink(missing_ok=True)
    return True


def _publish(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links: reserve the name first
        path.touch(exist_ok=False)
        draft.replace(path)


def _remove_expired(path: Path) -> None:
    """Remove an expired claim.

    Raises:
        ClaimedError: If the claim has not expired, or another process is removing it.
    """
    with _lock(path) as is_locked:
        if os.path.lexists(path):  # also a link that leads nowhere
            if not (is_locked and _has_expired(path)):
                raise ClaimedError(f"{path.parent} is being run by {describe_claim(path.parent)}")
            with draft_folder(path) as drafts:
                path.rename(drafts / "expired")
    remove_leftovers(path.parent)


@contextmanager
def _lock(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Keep other processes from removing a claim during the block.

    Yields:
        Whether they are kept from it: False if one is removing it or has removed it just now, True
        even if nobody can lock it: a link, a folder, or a file system without locks.
    """
    descriptor = None
    for flags in (os.O_RDWR, os.O_RDONLY):  # NFS locks only what is open for writing
        try:
            descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
            break
        except FileNotFoundError:
            yield False
            return
        except OSError:
            continue
    if descriptor is None:
        yield True
        return
    try:
        yield try_lock(descriptor, wait=wait) is not False and is_at(descriptor, path)
    finally:
        os.close(descriptor)


def _has_expired(path: Path) -> bool:
    """Return whether the holder of a claim is dead, or has not touched it for too long."""
    is_alive = _is_alive(_read(path))
    if is_alive is not None:
        return not is_alive
    try:  # take both times from the clock of the file system: machines' clocks may differ
        probe, file = open_draft(path)
        with file:
            try:
                now = os.fstat(file.fileno()).st_mtime
                return abs(now - path.lstat().st_mtime) > STALE
            finally:
                probe.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except OSError:  # the folder is not writable: executing the run will report it
        return False


def _read(path: Path) -> dict[str, object]:
    """Return the holder of a claim, nothing if the claim is damaged or absent."""
    try:
        holder = parse_object(read_bytes(path))
    except (OSError, ValueError):
        return {}
    pid = holder.get("pid")
    return holder if type(pid) is int and 0 < pid < 2**31 else {}


def _is_alive(holder: Mapping[str, object]) -> bool | None:
    """Return whether a process of this machine exists; None if that cannot be known."""
    here = _this_process()
    if not holder or any(holder.get(key) != here[key] for key in ("host", "boot", "namespace")):
        return None
    pid = int(str(holder["pid"]))
    if start := _start_time(pid):
        return start == holder.get("started")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # a process of another user, which /proc may hide
        return None
    return None if holder.get("started") else True  # without /proc, numbers may be used again


def _this_process() -> dict[str, object]:
    """Describe this process; its number is unique only within a machine, boot and namespace."""
    return {
        "host": platform.node(),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
        "pid": os.getpid(),
        "started": _start_time(os.getpid()),
    }


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if /proc does not show it."""
    stat = _text(f"/proc/{pid}/stat")
    state, *rest = stat.rpartition(")")[2].split() or [""]
    return f"{state} ended" if state in ("Z", "X") else rest[18] if rest else ""


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


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
