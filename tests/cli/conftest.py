"""Runs and sweeps of tiny models, for every test of the command line."""

from tests.helpers.run_fixtures import *  # noqa: F403
