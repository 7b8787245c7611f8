"""Fixtures that build the arguments of tiny runs and sweeps; a folder's conftest imports them."""

import os
import subprocess

import pytest
import rich

from tests.helpers.runs import SWEEP, join_arguments, make_run

__all__ = [
    "data_cache",
    "mount",
    "run",
    "run_arguments",
    "run_defaults",
    "sweep_arguments",
    "wide_console",
]


@pytest.fixture
def run(tmp_path):
    """Run with an empty folder, without data and model."""
    run = make_run(tmp_path)
    run.folder.mkdir(parents=True)
    return run


@pytest.fixture(scope="session")
def data_cache(tmp_path_factory):
    """Folder of prepared data, shared by all runs."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def run_defaults(tiny_bert, tiny_glue, data_cache):
    """Configuration keys of every tiny run: its scale, data and model."""
    return {
        "scale": "mini",
        "data.source": str(tiny_glue),
        "model.name": str(tiny_bert),
        "paths.cache": str(data_cache),
    }


@pytest.fixture
def run_arguments(run_defaults, tmp_path):
    """Function that returns the arguments of a run of 20 steps: `run_arguments("seed=1")`."""
    defaults = {
        **run_defaults,
        "task": "rte",
        "paths.runs": str(tmp_path / "runs"),
        "trainer.max_steps": "20",
        "trainer.threads": "1",
        "optimizer.lr": "1e-3",
    }
    return lambda *overrides: join_arguments(defaults, overrides)


@pytest.fixture
def sweep_arguments(run_defaults, tmp_path):
    """Function that returns the arguments of a sweep of eight runs: `sweep_arguments("seed=0")`."""
    path = tmp_path / "tiny.yaml"
    path.write_text(SWEEP)
    defaults = {**run_defaults, "paths.runs": str(tmp_path / "runs")}
    return lambda *overrides: [str(path), *join_arguments(defaults, overrides)]


@pytest.fixture
def wide_console(monkeypatch):
    """Console of 140 columns, whatever the terminal of the tests."""
    monkeypatch.setattr(rich.get_console(), "width", 140)


@pytest.fixture
def mount(tmp_path):
    """Function that mounts a tiny file system with some options; skip if this is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine does not let the tests mount a file system")
        return disk

    yield mount
    subprocess.run(["umount", disk], capture_output=True)
