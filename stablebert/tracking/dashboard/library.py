"""The package wandb-workspaces, imported on first use: it takes a second and is optional."""

from functools import cache
from typing import Any

from stablebert.errors import ActionableError


class DashboardError(ActionableError):
    """The dashboard cannot be built or saved; the message says what to do."""


@cache
def load_reports_api() -> Any:
    """Return the module `wandb_workspaces.reports.v2`.

    Raises:
        DashboardError: If the package is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as reports
    except ImportError as error:
        raise _missing_package(error) from error
    return reports


@cache
def load_workspaces_api() -> Any:
    """Return the module `wandb_workspaces.workspaces`.

    Raises:
        DashboardError: If the package is not installed.
    """
    try:
        import wandb_workspaces.workspaces as workspaces
    except ImportError as error:
        raise _missing_package(error) from error
    return workspaces


def _missing_package(error: ImportError) -> DashboardError:
    return DashboardError(
        f"the dashboard needs wandb-workspaces ({error}): pip install 'stablebert[dashboard]'"
    )
