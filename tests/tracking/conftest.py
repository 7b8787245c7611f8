"""Fixtures of tests that use a loopback W&B server."""

from tests.helpers.hub_fixtures import dead_url, silent_url  # noqa: F401
from tests.helpers.wandb_fixtures import *  # noqa: F403
