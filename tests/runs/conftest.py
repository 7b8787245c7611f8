"""Fixture of a run that is not trained."""

from tests.helpers.run_fixtures import run

__all__ = ["run"]
