import sys

import pytest

from stablebert.tracking.dashboard import library


def test_a_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(library.DashboardError, match=r"pip install 'stablebert\[dashboard\]'"):
        library.load_reports_api()
