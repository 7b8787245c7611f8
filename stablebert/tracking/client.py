"""The W&B server that the client talks to: its address, its availability, the login."""

import json
import os
import sys
from base64 import b64encode
from functools import partial
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from typing_extensions import override

from stablebert.timeouts import run_with_timeout
from stablebert.tracking.wandb_internals import find_api_key, has_api_key

API_KEY = "WANDB_API_KEY"

PROBE_SECONDS = 10
"""Time limit for one small request to the server, from name resolution to the last byte."""


class UnknownLoginError(Exception):
    """The installed version of wandb cannot be asked whether there is an API key."""


def server_url() -> str:
    """Return the address of the W&B server."""
    if url := os.environ.get("WANDB_BASE_URL"):
        return url
    import wandb

    return str(wandb.setup().settings.base_url)


def usage_problem() -> str:
    """Return why W&B cannot be used now; empty if it can.

    The client alone would ask for a login on the terminal, or retry for minutes.
    """
    url = server_url()
    try:
        problem = login_problem(url)
    except UnknownLoginError:
        if sys.stdin and sys.stdin.isatty() and API_KEY not in os.environ:
            return f"this version of wandb might ask for a login here: set {API_KEY}"
        problem = ""
    return problem or connection_problem(url)


def connection_problem(url: str) -> str:
    """Return why the API of a server does not answer within seconds; empty if it answers."""
    try:
        run_with_timeout(PROBE_SECONDS, partial(_ask_api, url))
    except HTTPError as error:
        if error.code in (401, 403):
            return f"{url} rejects the API key ({error}): `wandb login --relogin`, or set {API_KEY}"
        return f"{url}: {error}" if error.code in (404, 429) or error.code >= 500 else ""
    except (OSError, ValueError, HTTPException) as error:
        return f"{url}: {error}"
    return ""


def _ask_api(url: str) -> None:
    """Send the API a small query.

    Raises:
        OSError: If there is no connection, or the answer is an error of HTTP.
        ValueError: If the answer is not JSON, so that another program answers.
    """
    query = json.dumps({"operationName": "Viewer", "query": "query Viewer { viewer { id } }"})
    # `urllib` takes a password in the address for a part of the host; the client sends the key.
    place = urlsplit(url).netloc
    address = url.replace(place, place.rpartition("@")[2], 1).rstrip("/")
    request = Request(f"{address}/graphql", query.encode())
    request.add_header("Content-Type", "application/json")
    if key := find_api_key(url):
        request.add_header("Authorization", f"Basic {b64encode(f'api:{key}'.encode()).decode()}")
    with build_opener(_NoRedirects).open(request, timeout=PROBE_SECONDS) as answer:
        json.load(answer)


class _NoRedirects(HTTPRedirectHandler):
    """Handler that never sends the key to another address; a redirection counts as an answer."""

    @override
    def redirect_request(self, *_: object) -> None:
        return None


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
        return f"{error}: `wandb login`, or set {API_KEY}"
    return f"nobody is logged in to {url}: `wandb login`, or set {API_KEY}"
