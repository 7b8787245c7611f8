"""Small configurations, refused ones, and values of a configuration by dotted key."""

import pytest

from stablebert.config.compose import compose
from stablebert.errors import ConfigError
from tests.helpers.runs import join_arguments


def problems(*overrides):
    """Return the problems of a command line, which must be refused."""
    with pytest.raises(ConfigError) as error:
        compose(overrides)
    return error.value.problems


def problem(*overrides):
    """Return the only problem of a command line."""
    (only,) = problems(*overrides)
    return only


def value_of(cfg, key):
    """Return the value of a dotted key."""
    for name in key.split("."):
        cfg = getattr(cfg, name)
    return cfg


def configure(*overrides):
    """Return a configuration without locating its data and model."""
    return compose(join_arguments({"scale": "mini"}, overrides))
