"""Configuration: from `KEY=VALUE` arguments and `conf/` to a checked `RunConfig`."""
