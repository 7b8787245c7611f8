"""Fixtures of tests that use a loopback W&B server."""

from tests.helpers.wandb_fixtures import *  # noqa: F403
