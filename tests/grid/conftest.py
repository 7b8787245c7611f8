"""Fixtures for tests that train tiny runs."""

from tests.helpers.run_fixtures import *  # noqa: F403
