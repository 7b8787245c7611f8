"""Packages of the extra `stablebert[report]`, which figures and pages need."""

from importlib.util import find_spec

from stablebert.report.records import ReportError


def require_packages(*names: str, purpose: str) -> None:
    """Check that packages of the extra are installed.

    Args:
        names: Names by which they are imported, such as `altair`.
        purpose: What needs them, as the beginning of a sentence: `Figures`.

    Raises:
        ReportError: If one is missing.
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise ReportError(
            f"{purpose} need the Python packages {', '.join(missing)}, which are not installed; "
            "run pip install 'stablebert[report]'"
        )
