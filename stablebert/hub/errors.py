"""Errors of the hub's client, and which of them are final."""

import importlib
from urllib.parse import urlsplit

from stablebert.errors import ActionableError


class HubError(ActionableError):
    """A repository is unavailable; the message names it and says what to do."""


class DamagedFileError(HubError):
    """A cached file does not have the content that the hub named."""


class UnreachableError(Exception):
    """The hub gave no usable answer; the cache may still have one."""


class FinalError(Exception):
    """The hub or this machine refuses, so another try cannot help; the cache may still do."""


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an error."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"


def is_unreachable(error: Exception) -> bool:
    """Return whether no server answered, as opposed to one that failed or hung up."""
    if isinstance(error, TimeoutError | UnreachableError):
        return True
    # The client's HTTP library: httpx2 in huggingface_hub 2, httpx in 1, requests in 0.
    library = getattr(importlib.import_module("huggingface_hub.utils"), "httpx", None)
    if library:
        return isinstance(error, library.ConnectError | library.TimeoutException)
    requests, urllib3 = map(importlib.import_module, ("requests", "urllib3"))
    if isinstance(error, requests.ConnectionError):
        return isinstance(error.args[0], urllib3.exceptions.MaxRetryError)
    return isinstance(error, requests.Timeout)


def raise_if_final(error: Exception) -> None:
    """Raise an error of our own if another try cannot help.

    Most errors are worth another try, whatever their type: a dropped connection raises an httpx
    error and not an OSError, xet raises RuntimeErrors, and a failing hub a LocalEntryNotFoundError.

    Args:
        error: Error of the client.

    Raises:
        FinalError: If the hub says that the repository or revision does not exist or is gated, or
            the cache cannot be written.
        UnreachableError: If another program refuses, such as a proxy or a filter.
    """
    from huggingface_hub import errors

    reasons = {
        errors.GatedRepoError: "it is gated; accept its terms on the hub, and set HF_TOKEN",
        errors.RepositoryNotFoundError: "no such repository, or it is private (HF_TOKEN)",
        errors.RevisionNotFoundError: "the repository has no such revision",
    }
    for e in filter(None, (error, error.__cause__, error.__context__)):
        if not isinstance(e, errors.HfHubHTTPError) or e.response is None:
            continue
        status, address = e.response.status_code, urlsplit(str(e.response.url))
        answer = f"{address.scheme}://{address.netloc} answers {status}"
        for kind, reason in reasons.items():
            if isinstance(e, kind):
                raise FinalError(f"{answer}: {reason}") from error
        if status < 500 and status not in (408, 429):
            raise UnreachableError(f"{answer} ({first_line(e)})") from error
    # A full disk, or a cache that cannot be written.
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        raise FinalError(f"{first_line(error)}; HF_HOME sets the cache") from error
