"""Which code ran: versions of the packages, and this checkout's commit."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def versions() -> dict[str, str | None]:
    """Versions of what decides numbers, and the commit (`-dirty` with local changes)."""
    packages = ("stablebert", "torch", "lightning", "transformers", "datasets", "torchmetrics")
    return {
        **{name: _version(name) for name in packages},
        "python": platform.python_version(),
        "commit": _commit(Path(__file__).parents[1]),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(checkout: Path) -> str | None:
    if not (checkout / ".git").exists():  # installed from a wheel
        return None
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
