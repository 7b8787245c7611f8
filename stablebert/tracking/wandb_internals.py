"""Adapter for the private parts of wandb: the only module that may import them.

Each function names the public alternative that is missing. A later version of wandb may break any
of them, so callers must survive an ImportError, AttributeError or TypeError.
"""


def has_api_key(url: str) -> bool:
    """Return whether the client would find an API key for a server.

    `wandb.login()` is the public alternative, but it prompts on the terminal and contacts the
    server. This function applies the same rules (WANDB_API_KEY, then the netrc file) and does
    neither.

    Raises:
        ImportError: If this version of wandb has no such function.
        TypeError: If this version's function takes other arguments.
        Exception: If the client rejects the form of the key.
    """
    return _find_credentials(url) is not None


def find_api_key(url: str) -> str:
    """Return the API key that the client would send to a server; empty if there is none.

    There is no public alternative.
    """
    try:
        return str(getattr(_find_credentials(url), "api_key", ""))
    except Exception:  # as for `has_api_key`, which reports it
        return ""


def _find_credentials(url: str) -> object | None:
    from wandb.sdk.lib.wbauth import authenticate_session

    return authenticate_session(host=url, source="stablebert", prompt=False, update_session=False)
