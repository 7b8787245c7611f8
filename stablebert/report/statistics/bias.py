"""Size of Adam's updates without bias correction, relative to that with it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from stablebert.report.statistics.scores import FloatArray


def bias_ratios(steps: ArrayLike, betas: Sequence[float]) -> FloatArray:
    """Return (1-β₁^t) / √(1-β₂^t), the ratio where eps is negligible, for steps t from 1.

    Example:
        >>> bias_ratios([1, 12, 1000], (0.9, 0.999)).round(2).tolist()
        [3.16, 6.57, 1.26]

    References:
        Zhang et al. (2021), Section 4, Figure 1.
    """
    t = np.asarray(steps, np.float64)
    b1, b2 = betas
    return np.asarray((1 - b1**t) / np.sqrt(1 - b2**t))
