"""Fixtures of tests that use a loopback hub."""

from tests.helpers.hub_fixtures import *  # noqa: F403
