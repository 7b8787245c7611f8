"""Fixtures of tests that use a loopback hub or W&B server."""

from tests.helpers.hub_fixtures import *  # noqa: F403
from tests.helpers.wandb_fixtures import *  # noqa: F403
