"""Commands on this machine: `doctor`."""

from collections.abc import Sequence
from functools import partial

from stablebert.config.compose import compose
from stablebert.ops.doctor import diagnose


def doctor(overrides: Sequence[str]) -> int:
    """Check that runs can work on this machine, and say how to fix problems."""
    return 0 if diagnose(compose(overrides), partial(print, flush=True)) else 1
