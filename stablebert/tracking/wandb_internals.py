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
    from wandb.sdk.lib.wbauth import authenticate_session

    auth = authenticate_session(host=url, source="stablebert", prompt=False, update_session=False)
    return auth is not None
