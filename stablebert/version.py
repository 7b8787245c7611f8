"""Versions of the code that ran: of the packages, and of this checkout."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    *("stablebert", "torch", "lightning", "transformers", "tokenizers", "datasets", "torchmetrics"),
    "peft",
)
"""Packages that can change results."""


@cache
def versions() -> dict[str, str | None]:
    """Return the versions of the packages and of Python, and the commit of this checkout.

    The commit ends with `-dirty` if there are local changes. It is None for an installed wheel, as
    is the version of a package that is not installed.
    """
    return {
        **{package: _version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "commit": _commit(Path(__file__).parents[1]),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(checkout: Path) -> str | None:
    if not (checkout / ".git").exists():
        return None
    # `describe --dirty` would rewrite the index, which collides with a `git commit` of the user
    name = _git(checkout, "describe", "--always", "--abbrev=12")
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return f"{name}-dirty" if name and changes else name


def _git(checkout: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
