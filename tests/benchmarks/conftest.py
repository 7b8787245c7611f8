"""Configurations on tiny data and a tiny model, for the contestants and their processes."""

import pytest

from benchmarks import bench, contest, processes, table
from stablebert.config.compose import compose
from stablebert.runs.locate import locate
from tests.helpers.warm_processes import warm_processes


@pytest.fixture
def overrides(tiny_glue, tiny_bert, tmp_path, monkeypatch):
    """A configuration on tiny data; its cache is in the environment, for child processes too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, model = f"data.source={tiny_glue}", f"model.name={tiny_bert}"
    return ["scale=mini", data, model, f"paths.runs={tmp_path}/runs"]


@pytest.fixture
def build_contest(overrides, tmp_path):
    """Build a contest without a gate from further overrides."""

    def build(*more):
        run = locate(compose([*overrides, *more]))
        return contest.Contest(run, mixed=False, work=tmp_path, gate=None)

    return build


@pytest.fixture(scope="session")
def run_bench(tiny_glue, tiny_bert, tmp_path_factory):
    """Run the program into a folder; return its results and the page with the tables."""

    def run(out, *argv):
        common = ["--data", str(tiny_glue), "--model", str(tiny_bert), "--threads", "1"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.setenv("CUDA_VISIBLE_DEVICES", "0")
            with warm_processes(processes):
                bench.main([*argv, *common, "--out", str(out)])
        (path,) = out.glob("*.json")
        return table.load_results(path), (out / "README.md").read_text()

    return run
