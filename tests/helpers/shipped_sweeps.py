"""Content of the sweep files that the package ships."""

import yaml

from stablebert.config.files import SWEEPS


def content_of(name):
    """Return the content of a sweep file, given its name."""
    return yaml.safe_load((SWEEPS / f"{name}.yaml").read_text())
