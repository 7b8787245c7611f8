"""Checks and downloads that prepare a machine for runs."""
