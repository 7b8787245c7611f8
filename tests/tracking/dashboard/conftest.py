"""The dashboard of all tables, built once."""

import pytest

from tests.tracking.dashboard import specs


@pytest.fixture(scope="session")
def dashboard():
    """JSON of the workspace and of all reports."""
    pytest.importorskip("wandb_workspaces")
    return specs.build()
