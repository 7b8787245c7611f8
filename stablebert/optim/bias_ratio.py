"""Size of Adam's updates with and without bias correction (Zhang et al., 2021, Section 4)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def analytic_bias_ratio(step: int, betas: Sequence[float]) -> float:
    """Return the norm of BERTAdam's update over that of Adam's, where eps is negligible.

    (1-β₁^t) / √(1-β₂^t), Figure 1 of Zhang et al. (2021).

    Args:
        step: Number of steps t, from 1.
        betas: Decay rates (β₁, β₂) of the moments.

    Example:
        >>> [round(analytic_bias_ratio(t, (0.9, 0.999)), 2) for t in (1, 12, 1000)]
        [3.16, 6.57, 1.26]
    """
    b1, b2 = betas
    return float((1 - b1**step) / (1 - b2**step) ** 0.5)


def update_norms(
    state: Sequence[Mapping[str, Tensor]], *, betas: Sequence[float], eps: float, offset: int = 0
) -> Tensor:
    """Measure the two updates that the moments of a layer imply, without learning rate.

    Rows of the vocabulary that no batch contained have no moments, so they count in no number.

    Args:
        state: Per parameter `exp_avg` (m), `exp_avg_sq` (v), and `step`, which is t + `offset`.
        betas: Decay rates of the moments.
        eps: Added to the root of the second moment.
        offset: `step_offset` of the group; 0 with bias correction.

    Returns:
        `(4,)` float64 on the device of the parameters, without a host synchronization: squared norm
        of m / (√v + ε); squared norm of m̂ / (√v̂ + ε); number of elements with √v < ε; number of
        elements that have had a gradient.
    """
    device = state[0]["exp_avg"].device  # torch's unfused Adam keeps its step on the CPU
    t = state[0]["step"].to(device, torch.float64) - offset
    c1, c2 = ((1 - beta**t) for beta in betas)
    total = torch.zeros(4, dtype=torch.float64, device=device)
    for moments in state:
        m, root = moments["exp_avg"], moments["exp_avg_sq"].sqrt()
        biased_norm = torch.linalg.vector_norm(m / (root + eps))
        # m̂ / (√v̂ + ε) = (√c2 / c1) · m / (√v + ε √c2)
        small_eps = (eps * c2.sqrt()).to(m.dtype)
        corrected_norm = torch.linalg.vector_norm(m / (root + small_eps)) * c2.sqrt() / c1
        has_gradient = root > 0
        total += torch.stack(
            [
                biased_norm.double() ** 2,
                corrected_norm.double() ** 2,
                ((root < eps) & has_gradient).sum().double(),
                has_gradient.sum().double(),
            ]
        )
    return total
