"""Processes that would import everything, started as forks of one that has done so."""

import multiprocessing
import os
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from stablebert.grid import launchers
from tests.helpers.fork_server import call_with_environment, fork_context
from tests.helpers.worker_targets import work_in_fork


@contextmanager
def warm_processes(module):
    """Fork the processes that a module would spawn, with the environment of this process.

    For tests of what the processes do: real ones import everything, which takes longer than the
    tiny runs of a whole test.
    """
    context = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=_process)
    names = {"Pipe": multiprocessing.Pipe, "parent_process": multiprocessing.parent_process}
    with pytest.MonkeyPatch.context() as patch:
        replacement = SimpleNamespace(**names, get_context=lambda _: context)
        patch.setattr(module, "multiprocessing", replacement)
        yield


@contextmanager
def warm_workers():
    """Fork the workers of this process's grids."""
    with warm_processes(launchers), pytest.MonkeyPatch.context() as patch:
        patch.setattr(launchers, "work", work_in_fork)
        yield


def _process(*, target, args, daemon=False):
    arguments = (dict(os.environ), target, args)
    return fork_context().Process(target=call_with_environment, args=arguments, daemon=daemon)
