"""Adam with its bias correction on a switch, decay to 0 or to the start, groups, and the schedule.

Zhang et al. (2021), Algorithm 1: BERTAdam is Adam without lines 9 and 10, the bias correction.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# Told that this many steps lie behind it, torch's kernel computes 1 - beta^t = 1 exactly and so
# corrects nothing. float32 counts exactly up to 1.6e7: six million real steps can follow.
UNCORRECTED_FROM = 10_000_000


class BertAdam(torch.optim.AdamW):
    r"""Adam with decoupled weight decay; `bias_correction=False` is BERTAdam (Devlin et al., 2019).

    With gradient :math:`g_t`, :math:`m_t = β_1 m_{t-1} + (1-β_1) g_t` and
    :math:`v_t = β_2 v_{t-1} + (1-β_2) g_t^2`, parameters :math:`p` move by

    .. math:: p ← p - η λ p - η \hat m_t / (\sqrt{\hat v_t} + ε)

    where :math:`\hat m_t = m_t / (1-β_1^t)` and :math:`\hat v_t = v_t / (1-β_2^t)`, or, without
    bias correction, :math:`\hat m_t = m_t` and :math:`\hat v_t = v_t`, as in the TensorFlow code
    that BERT was released with. Both run on torch's fused kernel.

    In a group with `pull` :math:`κ` and `start` :math:`p_0`, as `decay_to_start` makes them,
    :math:`-η κ (p - p_0)` stands in the place of :math:`-η λ p`.

    Unlike torch's fused AdamW it leaves the unscaling of fp16 gradients to the scaler, so that they
    can be clipped before the step (Lightning-AI/pytorch-lightning#21435).

    Args:
        params: parameters or parameter groups.
        lr: learning rate :math:`η`.
        betas: :math:`(β_1, β_2)`, decay rates of the moments.
        eps: :math:`ε`, added to the root of the second moment.
        weight_decay: :math:`λ`, decoupled (Loshchilov and Hutter, 2019).
        bias_correction: whether to correct the moments for their start at zero.

    Raises:
        ValueError: a beta is so near 1 that the kernel would still correct for it.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        bias_correction: bool = True,
    ):
        if not bias_correction and max(betas) ** UNCORRECTED_FROM > 1e-16:
            raise ValueError(f"betas={tuple(betas)} with bias_correction=False: at most 0.999996")
        super().__init__(
            params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay, fused=True
        )
        self._step_supports_amp_scaling = False
        self.step_offset = 0 if bias_correction else UNCORRECTED_FROM
        """What `state[p]["step"]` holds beyond the steps really taken."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:  # Lightning computes the gradients in here
            with torch.enable_grad():
                loss = closure()
        if self.step_offset:
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None and not self.state[p]:
                        self.state[p] = {
                            "step": torch.full((), float(self.step_offset), device=p.device),
                            "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                            "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
                        }
        for group in self.param_groups:
            if pull := group.get("pull"):
                torch._foreach_lerp_(group["params"], group["start"], group["lr"] * pull)
        super().step()
        return loss


def steps_taken(optimizer: Optimizer) -> int:
    """Steps that an Adam-like optimizer really took: those that fp16 skipped do not count."""
    counts = [s["step"] for s in optimizer.state.values() if "step" in s]
    if not counts:
        return 0
    return int(torch.stack(counts).max().item()) - getattr(optimizer, "step_offset", 0)
