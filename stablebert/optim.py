"""Adam with its bias correction on a switch, parameter groups, and the schedule.

Zhang et al. (2021), Algorithm 1: BERTAdam is Adam without lines 9 and 10, the bias correction.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

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
        super().step()
        return loss


def steps_taken(optimizer: Optimizer) -> int:
    """Steps that an Adam-like optimizer really took: those that fp16 skipped do not count."""
    counts = [s["step"] for s in optimizer.state.values() if "step" in s]
    if not counts:
        return 0
    return int(torch.stack(counts).max().item()) - getattr(optimizer, "step_offset", 0)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights that decay; and biases and LayerNorm, which do not (BERT's rule).

    Raises:
        ValueError: a group is empty, so the rule did not recognise this model's parameters.
    """
    exempt = {
        name
        for prefix, module in model.named_modules()
        for name in (f"{prefix}.{n}" for n, _ in module.named_parameters(recurse=False))
        if isinstance(module, nn.LayerNorm) or name.endswith(".bias")
    }
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for n, p in named if n not in exempt], "weight_decay": weight_decay},
        {"params": [p for n, p in named if n in exempt], "weight_decay": 0.0},
    ]
    if not all(group["params"] for group in groups):
        raise ValueError(f"{type(model).__name__}: no weights, or no biases and LayerNorms, found")
    return groups


def linear_warmup(step: int, *, total: int, warmup: float) -> float:
    """Factor on the learning rate before optimizer step `step` (from 0) of `total`.

    Linear from 0 over the first `int(warmup * total)` steps, then linear to 0 at `total`; so the
    very first update has rate 0, as in the released code (transformers 2.8, `optimization.py`).
    """
    rising = int(warmup * total)
    if step < rising:
        return step / rising
    return max(0.0, (total - step) / max(1, total - rising))


def schedule(optimizer: Optimizer, *, total: int, warmup: float) -> LambdaLR:
    """Scheduler of `linear_warmup`, to be stepped after every optimizer step."""
    return LambdaLR(optimizer, lambda step: linear_warmup(step, total=total, warmup=warmup))


def analytic_bias_ratio(step: int, betas: Sequence[float]) -> float:
    """Norm of BERTAdam's update over Adam's after `step` steps, where eps does not matter.

    (1-β₁^t) / √(1-β₂^t): 3.16 at the first step, 6.57 at the peak near step 12 (Figure 1).
    """
    b1, b2 = betas
    return (1 - b1**step) / (1 - b2**step) ** 0.5


def update_norms(
    state: Sequence[Mapping[str, Tensor]], *, betas: Sequence[float], eps: float, offset: int = 0
) -> Tensor:
    """Size of the two updates that a layer's moments give, without learning rate.

    Args:
        state: per parameter `exp_avg` (m), `exp_avg_sq` (v), and `step`, which is t + `offset`.
        betas: decay rates of the moments.
        eps: added to the root of the second moment.
        offset: see `BertAdam.step_offset`.

    Returns:
        `(4,)` on the parameters' device, nothing synchronised: squared norm of m / (√v + ε);
        squared norm of m̂ / (√v̂ + ε); number of elements with √v < ε; number of elements that
        have ever had a gradient. Rows of the vocabulary that no batch held count in neither number.
    """
    device = state[0]["exp_avg"].device  # torch's unfused Adam keeps its step on the CPU
    t = state[0]["step"].to(device, torch.float64) - offset
    c1, c2 = ((1 - beta**t) for beta in betas)
    total = torch.zeros(4, dtype=torch.float64, device=device)
    for s in state:
        m, root = s["exp_avg"], s["exp_avg_sq"].sqrt()
        biased = torch.linalg.vector_norm(m / (root + eps))
        # m̂ / (√v̂ + ε) = (√c2 / c1) · m / (√v + ε √c2)
        small_eps = (eps * c2.sqrt()).to(m.dtype)
        corrected = torch.linalg.vector_norm(m / (root + small_eps)) * c2.sqrt() / c1
        seen = root > 0
        total += torch.stack(
            [
                biased.double() ** 2,
                corrected.double() ** 2,
                ((root < eps) & seen).sum().double(),
                seen.sum().double(),
            ]
        )
    return total
