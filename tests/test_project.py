"""Packaging promises: ranges, tested versions, Makefile and CI."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from stablebert.config.sweep import read_sweep

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
DEV = {r.name: r for r in map(Requirement, PROJECT["optional-dependencies"]["dev"])}
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))


def test_withdrawn_lightning_versions_are_excluded():
    """Trap 10."""
    assert not DEPENDENCIES["lightning"].specifier.contains("2.6.2")
    assert not DEPENDENCIES["lightning"].specifier.contains("2.6.3")
    assert DEPENDENCIES["lightning"].specifier.contains("2.6.6")


def test_packages_that_do_not_work_or_cannot_be_shipped_are_no_dependency():
    """Trap 11; and W&B's `sweeps` extra pins an old numpy."""
    assert not {"rliable", "deepsig", "sweeps"} & {*DEPENDENCIES, *DEV}
    assert not DEPENDENCIES["wandb"].extras


def test_oldest_python_is_the_one_that_numpy_accepts():
    """Trap 33."""
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", [*DEPENDENCIES, *DEV])
def test_tested_versions_are_inside_the_ranges(name):
    pins = {key.lower().replace("_", "-"): value for key, value in PINS.items()}
    pinned = pins[name.lower().replace("_", "-")]
    assert {**DEPENDENCIES, **DEV}[name].specifier.contains(Version(pinned))


def test_make_help_lists_the_targets():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = {line.split()[0] for line in shown.stdout.splitlines()}
    assert {"setup", "test", "lint", "reproduce-table", "clean"} <= targets


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], 80 + 60),
        (["SEEDS=0..19"], 320 + 80),
        (["TASKS=sst2", "SWEEP=bias_correction"], 20),
        (["SCALE=mini"], 24),
        (["SCALE=paper", "TASKS=rte", "LENGTHS=3epochs"], 40),
    ],
)
def test_what_make_reproduce_table_runs(words, wanted):
    plan = ["make", "-n", "reproduce-table", *words]
    shown = subprocess.run(plan, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    subprocess.run(["sh", "-n"], input=shown, text=True, check=True)  # its commands can be read
    grids = re.search(r"for grid in (.*); do", shown)[1]
    found = set()
    for grid in shlex.split(grids):
        name, *narrowed = grid.split()
        typed = [word for word in narrowed if "=" in word]
        runs = read_sweep(name).narrow([*typed, "wandb.tags=[]"]).configs()  # one run of two sweeps
        found.update(runs)
        assert [w for w in narrowed if w not in typed] == ["--fresh"] * ("demo" in grid)
    assert len(found) == wanted


def test_ci_runs_the_readme_s_test_command():
    commands = (ROOT / ".ci/run").read_text().splitlines()
    assert "make test" in commands
    assert "make lint" in commands
    assert re.search(r"^ +make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.stress
def test_the_wheel_carries_everything_and_works_from_anywhere(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("stablebert-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "out")
    for shipped, source in (
        ("conf", "conf"),
        ("sweeps", "sweeps"),
        ("demo", "stablebert/demo"),
        ("demo/model", "stablebert/demo/model"),
    ):
        there = {p.name for p in (tmp_path / "out/stablebert" / shipped).iterdir()}
        assert there == {p.name for p in (ROOT / source).iterdir()} - {"__pycache__"}, shipped
    empty = tmp_path / "empty"
    empty.mkdir()
    only = os.environ | {"PYTHONPATH": str(tmp_path / "out"), "XDG_CACHE_HOME": str(tmp_path)}
    run = [sys.executable, "-P", "-m", "stablebert", "train", "scale=demo", "task=rte"]
    subprocess.run([*run, "trainer.max_steps=10"], cwd=empty, env=only, check=True)
    (record,) = empty.rglob("result.json")
    assert json.loads(record.read_text())["model"].startswith("demo sha256:")
