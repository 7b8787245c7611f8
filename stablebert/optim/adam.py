"""Adam with its bias correction on a switch, decay to 0 or to the start, groups, and the schedule.

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


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Trained weights that decay; and biases and LayerNorm, which do not (BERT's rule).

    Frozen parameters are in no group, and a group that would be empty is left out.

    Raises:
        ValueError: the rule did not recognise this model's parameters; or none is trained.
    """
    exempt = {
        id(p)
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if isinstance(module, nn.LayerNorm) or name.endswith("bias")  # r_w_bias, in XLNet
    }
    kinds: list[list[nn.Parameter]] = [[], []]
    for p in model.parameters():
        kinds[id(p) in exempt].append(p)
    if not all(kinds):
        raise ValueError(f"{type(model).__name__}: no weights, or no biases and LayerNorms, found")
    groups = [
        {"params": [p for p in kind if p.requires_grad], "weight_decay": decay}
        for kind, decay in zip(kinds, (weight_decay, 0.0), strict=True)
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError(f"{type(model).__name__}: every parameter is frozen, none is trained")
    return groups


def layer_rates(names: Sequence[str], *, lr: float, decay: float) -> dict[str, float]:
    r"""Layer-wise learning rates (LLRD; Howard and Ruder, 2018; Zhang et al., Appendix H).

    Classifier and pooler have rate :math:`η`, of N layers the top one :math:`η d`, the next
    :math:`η d^2`, down to :math:`η d^N`, and the embeddings :math:`η d^{N+1}`.

    Args:
        names: of the layers from the bottom up, as `stablebert.models.loading.layers` gives them.
        lr: the rate :math:`η`.
        decay: the factor :math:`d`.
    """
    below = [name for name in names if name not in ("pooler", "classifier")]
    depth = {name: i for i, name in enumerate(reversed(below), 1)}
    return {name: lr * decay ** depth.get(name, 0) for name in names}


def split_by_rate(
    groups: Iterable[dict[str, Any]], named: Mapping[str, nn.Module], rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Split groups by layer and give each its rate; every parameter stays in exactly one.

    Args:
        groups: as `parameter_groups` gives them.
        named: layers by name; together they hold every parameter of the groups.
        rates: learning rate of each layer.
    """
    layer_of = {id(p): name for name, part in named.items() for p in part.parameters()}
    made = []
    for group in groups:
        parts: dict[str, list[Tensor]] = {}
        for p in group["params"]:
            parts.setdefault(layer_of[id(p)], []).append(p)
        made += [group | {"params": ps, "lr": rates[name]} for name, ps in parts.items()]
    return made


def decay_to_start(groups: Iterable[dict[str, Any]], *, free: nn.Module) -> list[dict[str, Any]]:
    """Turn decay towards 0 into a pull of the same strength towards the weights as they are now.

    Zhang et al. (2021), Section 7, "pre-trained weight decay"; Lee et al. (2020), wdecay(w_pre).

    Args:
        groups: as `parameter_groups` gives them.
        free: a part that neither decays nor is pulled: the classifier, which has no start worth
            staying at.
    """
    unpulled = {id(p) for p in free.parameters()}
    made = []
    for group in groups:
        pull, group = group["weight_decay"], group | {"weight_decay": 0.0}
        held = [p for p in group["params"] if pull and id(p) not in unpulled]
        others = [p for p in group["params"] if not (pull and id(p) not in unpulled)]
        if held:
            start = [p.detach().clone() for p in held]
            made.append(group | {"params": held, "pull": pull, "start": start})
        if others:
            made.append(group | {"params": others})
    return made


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
