"""Errors of the hub's client, and which of them are final."""

import importlib

from stablebert.errors import ActionableError


class HubError(ActionableError):
    """A repository is unavailable; the message names it and says what to do."""


class DamagedFileError(HubError):
    """A cached file does not have the content that the hub named."""


class UnreachableError(Exception):
    """The hub gave no usable answer; the cache may still have one."""


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


def raise_if_final(error: Exception, repository: str) -> None:
    """Raise a HubError if another try cannot help.

    Most errors are worth another try, whatever their type: a dropped connection raises an httpx
    error and not an OSError, xet raises RuntimeErrors, and a failing hub a LocalEntryNotFoundError.

    Args:
        error: Error of the client.
        repository: Name of the repository in messages.

    Raises:
        HubError: If the repository or revision does not exist or is gated, the request is invalid,
            or the cache cannot be written.
    """
    from huggingface_hub import errors

    chain = [error, *filter(None, (error.__cause__, error.__context__))]
    for e in chain:
        if isinstance(e, errors.GatedRepoError):
            advice = "accept its terms on the hub, set HF_TOKEN"
            raise HubError(f"{repository} is gated: {advice}") from error
        if isinstance(e, errors.RepositoryNotFoundError):
            problem = "no such repository, or it is private (HF_TOKEN)"
            raise HubError(f"{repository}: {problem}") from error
        if isinstance(e, errors.RevisionNotFoundError):
            raise HubError(f"{repository}: the repository has no such revision") from error
        if isinstance(e, errors.HfHubHTTPError) and e.response is not None:
            status = e.response.status_code
            if status < 500 and status not in (408, 429):
                raise HubError(f"{repository}: {first_line(e)}") from error
    # In huggingface_hub 0, a LocalEntryNotFoundError is an HTTP error and a ValueError as well.
    if isinstance(error, ValueError) and not isinstance(error, errors.LocalEntryNotFoundError):
        raise HubError(
            f"{repository} is neither a folder nor an id: {first_line(error)}"
        ) from error
    # A full disk, or a cache that cannot be written.
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        problem = f"{first_line(error)}; HF_HOME sets the cache"
        raise HubError(f"{repository}: {problem}") from error
