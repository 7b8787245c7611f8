"""Time limits for the requests of the hub's client, which alone waits for minutes or forever."""

import functools
import importlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from stablebert.errors import mask_credentials
from stablebert.hub.errors import UnreachableError

SILENCE_SECONDS = 10
"""Longest wait for the next byte."""
STALL_SECONDS = 60
"""Longest wait for the end of an answer, or for `STALL_BYTES` more of it."""
STALL_BYTES = 100_000


class Progress:
    """Progress of all requests of a download together, retries included."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Allow another `STALL_SECONDS`."""
        self._received, self._deadline = 0, time.monotonic() + STALL_SECONDS

    def check(self, received: int = 0) -> None:
        """Count received bytes.

        Raises:
            UnreachableError: If there was no progress for `STALL_SECONDS`.
        """
        self._received += received
        if self._received >= STALL_BYTES:
            self.restart()
        if time.monotonic() > self._deadline:
            raise UnreachableError(
                f"{self._received} bytes arrived within {STALL_SECONDS} s, without progress"
            )


PROGRESS = Progress()
"""Progress of the current download; the client has one session per process."""


def limit_waiting() -> None:
    """Limit the waits of the client's session, and start to measure progress.

    With huggingface_hub 0, which sends requests in another way, only silence is limited.
    """
    import huggingface_hub as hf
    from huggingface_hub import constants

    # Xet transfers bypass the session, so nothing limits them.
    constants.HF_HUB_DISABLE_XET = True
    _mask_client_log()
    PROGRESS.restart()
    session: Any = hf.get_session()
    if not hasattr(session, "event_hooks"):  # requests, in huggingface_hub 0
        limit = max(SILENCE_SECONDS, constants.HF_HUB_DOWNLOAD_TIMEOUT)
        session.request = functools.partial(session.request, timeout=limit)
        return
    hooks = session.event_hooks
    if _limit_silence not in hooks["request"]:
        session.event_hooks = {
            "request": [*hooks["request"], _limit_silence],
            "response": [*hooks["response"], _watch_stream],
        }


def _limit_silence(request: Any) -> None:
    """Shorten the time limits of a request."""
    from huggingface_hub import constants

    PROGRESS.check()  # the client retries; this ends the retries of a stalled download
    limit = max(SILENCE_SECONDS, constants.HF_HUB_DOWNLOAD_TIMEOUT)
    timeouts = request.extensions.get("timeout") or dict.fromkeys(("connect", "read", "write"))
    request.extensions["timeout"] = {k: min(t or limit, limit) for k, t in timeouts.items()}


def _watch_stream(response: Any) -> None:
    """Count the bytes of a response as they arrive."""
    response.stream = _watched_stream_class()(response.stream)


@functools.cache
def _watched_stream_class() -> Callable[[Any], Any]:
    """Return the stream class, which derives from the client's HTTP library (httpx or httpx2)."""
    base: Any = importlib.import_module("huggingface_hub.utils").httpx.SyncByteStream

    class WatchedStream(base):  # type: ignore[misc]  # the library is known only at run time
        def __init__(self, stream: Any):
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            for chunk in self._stream:
                PROGRESS.check(len(chunk))
                yield chunk
            PROGRESS.restart()

        def close(self) -> None:
            self._stream.close()

    return WatchedStream


@functools.cache
def _mask_client_log() -> None:
    """Mask credentials in the warnings of the client, which quote addresses."""

    def mask(record: logging.LogRecord) -> bool:
        record.msg, record.args = mask_credentials(record.getMessage()), ()
        return True

    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.addFilter(mask)
