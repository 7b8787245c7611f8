"""Versions of Python and of the required packages."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from stablebert.config.schema import RunConfig
from stablebert.ops.finding import Finding

MAIN_PACKAGES = ("torch", "lightning", "transformers", "wandb")


def check_packages(cfg: RunConfig) -> Iterator[Finding]:
    """Compare installed versions with the ranges that stablebert requires."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    python = platform.python_version()
    try:
        requirements = [Requirement(line) for line in requires("stablebert") or []]
        pythons = SpecifierSet(metadata("stablebert")["Requires-Python"] or "")
    except PackageNotFoundError:
        yield Finding("note", "packages: stablebert is not installed, so no ranges are known")
        return
    if not pythons.contains(python, prereleases=True):
        yield Finding("problem", f"packages: Python {python} is not {pythons}: make PYTHON=...")
    names, problems, arguments = [f"Python {python}"], [], []
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name, required_range = requirement.name, requirement.specifier
        try:
            installed_version = version(name)
        except PackageNotFoundError:
            problems.append(f"{name} is missing, {required_range} is required")
            arguments.append(f"'{name}{required_range}'")
            continue
        if not required_range.contains(installed_version, prereleases=True):
            problems.append(f"{name} {installed_version} is not {required_range}")
            arguments.append(f"'{name}{required_range}'")
        if name in MAIN_PACKAGES:
            names.append(f"{name} {installed_version}")
    if problems:
        command = f"{sys.executable} -m pip install {' '.join(arguments)}"
        yield Finding("problem", f"packages: {'; '.join(problems)}: {command}")
    else:
        yield Finding("ok", f"packages: {', '.join(names)}")
