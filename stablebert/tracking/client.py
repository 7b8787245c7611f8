"""The W&B server that the client talks to: its address, its availability, the login."""

import os
from urllib.error import HTTPError
from urllib.request import urlopen

from stablebert.tracking.wandb_internals import has_api_key

PROBE_SECONDS = 5


class UnknownLoginError(Exception):
    """The installed version of wandb cannot be asked whether there is an API key."""


def server_url() -> str:
    """Return the address of the W&B server."""
    if url := os.environ.get("WANDB_BASE_URL"):
        return url
    import wandb

    return str(wandb.setup().settings.base_url)


def connection_problem(url: str) -> str:
    """Return why a server does not answer within seconds; empty if it answers.

    The client alone would retry for minutes.
    """
    try:
        urlopen(url, timeout=PROBE_SECONDS).close()
    except HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return f"{url}: {error}"
    return ""


def login_problem(url: str) -> str:
    """Return why the client would be refused or would prompt for a key; empty if it has a key.

    The server is not contacted, so a well-formed key that it rejects is not noticed.

    Raises:
        UnknownLoginError: If the installed version of wandb cannot be asked.
    """
    try:
        if has_api_key(url):
            return ""
    except (ImportError, AttributeError, TypeError) as error:
        raise UnknownLoginError from error
    except Exception as error:  # the key is malformed
        return f"{error}: `wandb login`, or set WANDB_API_KEY"
    return f"nobody is logged in on {url}: `wandb login`, or set WANDB_API_KEY"
