"""Promises of pyproject.toml, the constraints, the Makefile and CI."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from stablebert.config.sweep import read_sweep

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
DEPENDENCIES = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}
EXTRAS = {
    requirement.name: requirement
    for extra in PROJECT["optional-dependencies"].values()
    for requirement in map(Requirement, extra)
}
TARGETS = {
    *("help", "setup", "quick", "test", "test-oldest", "stress", "lint", "docs"),
    *("reproduce-table", "bench", "clean"),
}


def normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(file):
    pins = re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / file).read_text(), re.MULTILINE)
    return {normalize(name): Version(version) for name, version in pins}


NEWEST, OLDEST = read_pins("constraints.txt"), read_pins("constraints-oldest.txt")


# Versions


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_withdrawn_lightning_versions_are_excluded(version):
    """docs/pitfalls.md, 10."""
    assert version not in DEPENDENCIES["lightning"].specifier


def test_packages_that_do_not_work_are_not_dependencies():
    """docs/pitfalls.md, 11."""
    assert not {"rliable", "deepsig"} & {*DEPENDENCIES, *EXTRAS}


def test_wandb_comes_without_its_sweeps_extra():
    """It pins an old numpy."""
    assert "sweeps" not in {*DEPENDENCIES, *EXTRAS}
    assert not DEPENDENCIES["wandb"].extras


def test_oldest_python_is_the_one_that_numpy_accepts():
    """docs/pitfalls.md, 33."""
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", sorted({*DEPENDENCIES, *EXTRAS}))
def test_tested_versions_are_in_the_ranges(name):
    assert NEWEST[normalize(name)] in {**EXTRAS, **DEPENDENCIES}[name].specifier


@pytest.mark.parametrize(
    "name", ["torch", "lightning", "transformers", "datasets", "huggingface_hub"]
)
def test_ranges_start_at_the_oldest_tested_version(name):
    (lowest,) = (s for s in DEPENDENCIES[name].specifier if s.operator == ">=")
    assert OLDEST[normalize(name)].release[:2] == (*Version(lowest.version).release, 0)[:2]
    assert OLDEST[normalize(name)] in DEPENDENCIES[name].specifier


def test_oldest_versions_name_the_command_that_tests_them():
    assert "make test-oldest" in (ROOT / "constraints-oldest.txt").read_text().splitlines()[0]


# Type checking and style


def test_types_of_the_whole_package_and_the_benchmarks_are_checked_strictly():
    mypy = PYPROJECT["tool"]["mypy"]
    assert (mypy["strict"], mypy["packages"]) == (True, ["stablebert", "benchmarks"])


def test_no_module_is_exempt_from_type_checking():
    overrides = PYPROJECT["tool"]["mypy"].get("overrides", [])
    assert not [o["module"] for o in overrides if o.get("ignore_errors")]


def test_only_tests_are_exempt_from_docstring_rules():
    exempt = PYPROJECT["tool"]["ruff"]["lint"]["per-file-ignores"]
    assert [f for f, rules in exempt.items() if any(r[0] == "D" for r in rules)] == ["tests/*"]


# Make


def run_make(*arguments):
    # the tests themselves may run under make, which would announce each directory
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_help_describes_every_target():
    described = dict(line.split(maxsplit=1) for line in run_make("help").splitlines())
    assert set(described) == TARGETS
    assert all(described.values())


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_commands_of_every_target_are_valid_shell(target):
    subprocess.run(["sh", "-n"], input=run_make("-n", target), text=True, check=True)


def expressions_of(target):
    """Return the expressions with which the commands of a target select tests by marker."""
    words = shlex.split(run_make("-n", target), comments=True)
    options = [words[i + 1] for i, word in enumerate(words) if word == "-m"]
    return [option for option in options if option not in ("pip", "pytest", "venv")]


@pytest.mark.parametrize(
    ("target", "expression"),
    [
        ("quick", "not slow and not stress and not gpu"),
        ("test", "not stress and not gpu"),
        ("stress", "stress"),
    ],
)
def test_test_targets_select_their_tier(target, expression):
    assert expressions_of(target)[0] == expression


@pytest.mark.parametrize("has_gpu", [True, False])
def test_make_test_runs_the_gpu_tests_where_there_is_a_driver(tmp_path, monkeypatch, has_gpu):
    if has_gpu:
        (tmp_path / "nvidia-smi").touch(mode=0o755)
    elif shutil.which("nvidia-smi"):
        pytest.skip("this machine has an NVIDIA driver")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert expressions_of("test")[1:] == (["gpu"] if has_gpu else [])


def reproduced_runs(*variables):
    """Configurations that `make reproduce-table` trains, and the options of `stablebert grid`."""
    plan = run_make("-n", "reproduce-table", *variables)
    runs, options = set(), []
    for command in shlex.split(re.search(r"for grid in (.*); do", plan)[1]):
        sweep, *arguments = command.split()
        overrides = [argument for argument in arguments if "=" in argument]
        # without tags, a run that belongs to two sweeps is one run
        runs.update(read_sweep(sweep).narrow([*overrides, "wandb.tags=[]"]).configs())
        options += [argument for argument in arguments if argument not in overrides]
    return runs, options


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ([], 80 + 60),
        (["SEEDS=0..19"], 320 + 80),
        (["TASKS=sst2", "SWEEP=bias_correction"], 20),
        (["SCALE=mini"], 24),
        (["SCALE=paper", "TASKS=rte", "LENGTHS=3epochs"], 40),
    ],
)
def test_make_reproduce_table_trains_the_runs_of_its_variables(variables, number):
    assert len(reproduced_runs(*variables)[0]) == number


def test_make_reproduce_table_announces_the_number_of_demo_runs():
    announced = re.search(r"(\d+) runs", run_make("-n", "reproduce-table"))
    assert int(announced[1]) == len(reproduced_runs()[0])


def test_make_reproduce_table_trains_the_demo_afresh():
    assert reproduced_runs()[1] == ["--fresh"] * 2


def test_make_reproduce_table_uses_existing_runs_of_other_scales():
    assert reproduced_runs("SCALE=mini")[1] == []


# CI


@pytest.mark.parametrize("command", ["make test", "make lint", "make docs"])
def test_ci_runs(command):
    assert command in (ROOT / ".ci/run").read_text().splitlines()


def test_readme_names_the_test_command():
    assert re.search(r"^ +make test\b", (ROOT / "README.md").read_text(), re.MULTILINE)


# The wheel


@pytest.mark.stress
@pytest.mark.parametrize(
    ("packaged", "source"),
    [
        ("conf", "conf"),
        ("sweeps", "sweeps"),
        ("demo", "stablebert/demo"),
        ("demo/model", "stablebert/demo/model"),
        ("report/page/templates", "stablebert/report/page/templates"),
    ],
)
def test_wheel_contains_every_file_of(packaged, source, wheel):
    files = {path.name for path in (wheel / "stablebert" / packaged).iterdir()}
    assert files == {path.name for path in (ROOT / source).iterdir()} - {"__pycache__"}


@pytest.mark.stress
def test_wheel_declares_its_types(wheel):
    assert (wheel / "stablebert/py.typed").is_file()


@pytest.mark.stress
def test_wheel_contains_the_license(wheel):
    (metadata,) = wheel.glob("*.dist-info")
    assert (metadata / "licenses/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.stress
def test_wheel_trains_the_demo_in_an_empty_folder(wheel, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(wheel), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    train = [sys.executable, "-P", "-m", "stablebert", "train", "scale=demo", "task=rte"]
    subprocess.run([*train, "trainer.max_steps=10"], cwd=tmp_path, env=environment, check=True)
    (record,) = tmp_path.rglob("result.json")
    assert json.loads(record.read_text())["model"].startswith("demo sha256:")
