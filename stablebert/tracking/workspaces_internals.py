"""Adapter for the private parts of wandb-workspaces: the only module that may touch them.

Each function says what the public interface lacks. Tested with wandb-workspaces 0.4.13, which
pyproject.toml pins to the 0.4 series.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def set_element_id(element: Any, element_id: str) -> None:
    """Give a panel or run set a fixed id; the constructor draws a random one.

    With fixed ids, saving the same dashboard twice changes nothing.
    """
    element._id = element_id


def set_workspace_name(workspace: Any, name: str) -> None:
    """Give a workspace the name that its address is made of; saving draws a random one."""
    workspace._internal_name = name


def find_workspace_id(workspace: Any) -> str:
    """Return the id of the saved workspace of this name; empty if there is none yet.

    The public `Workspace.from_url` finds it too, but reads and converts all of its panels.
    """
    from wandb_workspaces.workspaces import internal

    name = internal._internal_name_to_url_query_str(workspace._internal_name)
    try:
        view = internal.get_view_dict(workspace.entity, workspace.project, name)
    except ValueError as error:
        if "not found in project" not in str(error):
            raise
        return ""
    return str(view["id"])


def set_workspace_id(workspace: Any, workspace_id: str) -> None:
    """Make `Workspace.save` update the workspace of this id; empty makes it create one."""
    workspace._internal_id = workspace_id


def to_spec(view: Any) -> Any:
    """Return a workspace or report as the JSON that W&B would receive."""
    return json.loads(view._to_model().model_dump_json(by_alias=True, exclude_none=True))


@contextmanager
def reports_through(api: Any) -> Iterator[None]:
    """Make reports use one W&B client; otherwise each request creates a client and logs in."""
    import wandb_workspaces.reports.v2.interface as interface

    with _replaced(interface, "_get_api", lambda: api):
        yield


@contextmanager
def reports_without_server() -> Iterator[None]:
    """Build reports without a server; otherwise a run set asks for the id of its project."""
    import wandb_workspaces.reports.v2.interface as interface

    answer = {"project": {"internalId": "0"}}
    with (
        _replaced(interface, "_get_api", lambda: None),
        _replaced(interface, "execute_graphql", lambda *_: answer),
    ):
        yield


@contextmanager
def _replaced(module: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Replace a function of a module inside the block."""
    original = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, original)
