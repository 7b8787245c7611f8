"""The package wandb-workspaces, imported on first use: it takes a second and is optional."""

from importlib import import_module
from typing import Any

from stablebert.errors import ActionableError


class DashboardError(ActionableError):
    """The dashboard cannot be built or saved; the message says what to do."""


def load_reports_api() -> Any:
    """Return the module `wandb_workspaces.reports.v2`.

    Raises:
        DashboardError: If the package is not installed.
    """
    return _load("wandb_workspaces.reports.v2")


def load_workspaces_api() -> Any:
    """Return the module `wandb_workspaces.workspaces`.

    Raises:
        DashboardError: If the package is not installed.
    """
    return _load("wandb_workspaces.workspaces")


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise DashboardError(
            f"the dashboard needs wandb-workspaces ({error}): pip install 'stablebert[dashboard]'"
        ) from error
