"""Workers of grids that are forks of a process that has imported everything."""

import multiprocessing
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from stablebert.grid import launchers
from tests.helpers.fork_server import fork_context
from tests.helpers.worker_targets import work_in_fork


@contextmanager
def warm_workers():
    """Start the workers of this process's grids as forks: for tests of what workers do.

    Real ones import everything, which takes longer than the tiny runs of a whole test.
    """
    modules = SimpleNamespace(Pipe=multiprocessing.Pipe, get_context=lambda _: fork_context())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launchers, "multiprocessing", modules)
        patch.setattr(launchers, "work", work_in_fork)
        yield
