"""The checks of `stablebert doctor`: functions of a configuration that yield findings."""
