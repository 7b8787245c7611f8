"""Records of real configurations on made-up data and models, for reports on all of them."""

from stablebert.config.compose import compose
from stablebert.config.identity import config_id
from tests.helpers.records import make_cell, make_record

MODEL, OTHER = "sha256:0a1b2c3d4e5f6789", "sha256:fedcba9876543210"
DATA = "sha256:0123456789abcdef"


def config_record(*overrides, seed=0, score=0.7, model=MODEL, data=DATA, **changes):
    """A record of the configuration of some overrides."""
    cfg = compose(overrides)
    cell = make_cell(cfg.task, cfg.method, cfg.length, cfg.scale)
    identity = config_id(cfg, data=data, model=model)
    changes |= {"data": data, "model": model, "config_id": identity}
    return make_record(cell, seed, score, **changes)


def config_records(*overrides, seeds=(0, 1, 2), score=0.7, **changes):
    """Records of a configuration by seed, whose scores differ a little."""
    return [
        config_record(*overrides, seed=seed, score=score + i / 100, **changes)
        for i, seed in enumerate(seeds)
    ]
