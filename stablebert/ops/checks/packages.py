"""Versions of Python and of the required packages."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from stablebert.config.schema import RunConfig
from stablebert.ops.finding import Finding

SHOWN = ("torch", "lightning", "transformers", "wandb")


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
        name, allowed = requirement.name, requirement.specifier
        try:
            installed = version(name)
        except PackageNotFoundError:
            problems.append(f"{name} is missing, {allowed} is required")
            arguments.append(f"'{name}{allowed}'")
            continue
        if not allowed.contains(installed, prereleases=True):
            problems.append(f"{name} {installed} is not {allowed}")
            arguments.append(f"'{name}{allowed}'")
        if name in SHOWN:
            names.append(f"{name} {installed}")
    if problems:
        command = f"{sys.executable} -m pip install {' '.join(arguments)}"
        yield Finding("problem", f"packages: {'; '.join(problems)}: {command}")
    else:
        yield Finding("ok", f"packages: {', '.join(names)}")
