"""Adam with a choice of bias corrections, and with decay toward 0 or toward the start.

Zhang et al. (2021), Algorithm 1: BERTAdam is Adam without lines 9 and 10, the bias correction.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from stablebert.torch_internals import leave_unscaling_to_the_scaler, move_toward

# With a step counter this large, torch's kernel computes 1 - beta^t = 1 exactly, so it corrects
# nothing. float32 counts exactly up to 1.6e7, which leaves room for six million real steps.
UNCORRECTED_FROM = 10_000_000

BiasCorrection = Literal[True, False, "second_moment", "learning_rate"]
"""Bias corrections: of both moments, none (BERTAdam), of v alone (AdamD), in the rate."""


class BertAdam(torch.optim.AdamW):
    """Adam with decoupled weight decay and one of four bias corrections.

    With gradient g, m ← β₁ m + (1-β₁) g and v ← β₂ v + (1-β₂) g², parameters p move in step t by

        p ← p - η λ p - η m̂ / (√v̂ + ε)

    where, with c₁ = 1-β₁^t and c₂ = 1-β₂^t, `bias_correction` decides what m̂ and v̂ are:

    * True: m̂ = m / c₁ and v̂ = v / c₂, Adam (Kingma and Ba, 2015).
    * False: m̂ = m and v̂ = v, BERTAdam, as in the TensorFlow code that BERT was released with
      (Devlin et al., 2019).
    * "second_moment": m̂ = m and v̂ = v / c₂, AdamD (St John, 2021, arXiv 2110.10828).
    * "learning_rate": m̂ = m √c₂ / c₁ and v̂ = v, BERTAdam with a rescaled learning rate. Where ε is
      negligible, this is Adam.

    All run on torch's fused AdamW kernel: False offsets its step counter, and the last two change
    its settings in each step, which takes a host synchronization per group on a GPU.

    In a group with `pull` κ and `start` p₀, as `decay_to_start` returns them, -η κ (p - p₀)
    replaces -η λ p.

    Every group has the key `bias_correction`, which copies, pickles and saved states carry.

    Unlike torch's fused AdamW, it leaves the unscaling of fp16 gradients to the scaler, so that
    they can be clipped before the step.

    Args:
        params: Parameters or parameter groups.
        lr: Learning rate η.
        betas: (β₁, β₂), decay rates of the moments.
        eps: ε, added to the root of the second moment.
        weight_decay: λ, decoupled (Loshchilov and Hutter, 2019).
        bias_correction: Correction of the moments for their start at zero, in groups that do not
            have their own.

    Raises:
        ValueError: If there is no such bias correction, or, without one, a beta is so close to 1
            that the kernel would still correct for it.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = BertAdam([weight], lr=0.1, bias_correction=False)
        >>> weight.grad = torch.tensor([2.0])
        >>> _ = optimizer.step()
        >>> weight.item()  # moved by 0.1 * 3.16: the first update is 3.16 times too large
        0.683...
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        bias_correction: BiasCorrection = True,
    ):
        entries: list[Any] = list(params)
        if entries and not isinstance(entries[0], dict):
            entries = [{"params": entries}]
        super().__init__(
            [{"bias_correction": bias_correction} | group for group in entries],
            lr=lr,
            betas=(betas[0], betas[1]),
            eps=eps,
            weight_decay=weight_decay,
            fused=True,
        )
        leave_unscaling_to_the_scaler(self)
        self.defaults["bias_correction"] = bias_correction  # of groups that are added later

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # not typed in torch
        leave_unscaling_to_the_scaler(self)  # copies and pickles lack the attribute

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters.

        Raises:
            ValueError: As for the optimizer.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if (correction := group["bias_correction"]) not in get_args(BiasCorrection):
            choices = ", ".join(map(repr, get_args(BiasCorrection)))
            raise ValueError(f"bias_correction={correction!r}: choose one of {choices}")
        if step_offset(group) and max(group["betas"]) ** UNCORRECTED_FROM > 1e-16:
            betas = tuple(group["betas"])
            raise ValueError(f"betas={betas} with bias_correction=False: must be at most 0.999996")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of an optimizer of the same kind.

        Raises:
            ValueError: If a group comes from an optimizer with another bias correction, or with,
                and this one is without, decay toward the start, or the other way around.
        """
        groups: list[dict[str, Any]] = []
        for own, saved in zip(self.param_groups, state_dict["param_groups"], strict=False):
            state = [state_dict["state"][i] for i in saved["params"] if i in state_dict["state"]]
            saved = saved | {"bias_correction": _correction_of(saved, state, own)}
            for key, kind in (("bias_correction", str), ("pull", bool)):
                if kind(own.get(key)) != kind(saved.get(key)):
                    raise ValueError(
                        f"the state comes from an optimizer with {key}={saved.get(key)!r} in group "
                        f"{len(groups)}, but this one has {own.get(key)!r}: build it with the same "
                        "settings"
                    )
            groups.append(saved)
        groups += state_dict["param_groups"][len(groups) :]  # a shortage, which torch reports
        super().load_state_dict(state_dict | {"param_groups": groups})
        for group in self.param_groups:
            if "start" in group:  # torch moves the moments only
                pairs = zip(group["start"], group["params"], strict=True)
                group["start"] = [start.to(p.device) for start, p in pairs]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient keep their values.

        Args:
            closure: Computes loss and gradients; Lightning passes one.

        Returns:
            Value of the closure, or None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._offset_new_counters()
        for group in self.param_groups:
            if pull := group.get("pull"):
                pairs = zip(group["params"], group["start"], strict=True)
                if moving := [(p, start) for p, start in pairs if p.grad is not None]:
                    params, starts = zip(*moving, strict=True)
                    move_toward(params, starts, group["lr"] * pull)
        groups = self.param_groups
        self.param_groups = [part for group in groups for part in self._kernel_groups(group)]
        try:
            super().step()
        finally:
            self.param_groups = groups
        return loss

    def _offset_new_counters(self) -> None:
        """Create the state of parameters that have their first gradient, its counter offset."""
        for group in self.param_groups:
            offset = float(step_offset(group))
            for p in group["params"] if offset else ():
                if p.grad is not None and not self.state[p]:
                    self.state[p] = {
                        "step": torch.full((), offset, device=p.device),
                        "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                        "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
                    }

    def _kernel_groups(self, group: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the settings by which the kernel, which corrects m and v, takes a group's step.

        AdamD's update is c₁ times the corrected one, and BERTAdam's with a rescaled rate is the
        corrected one with ε / √c₂. Parameters that were first trained in another step have another
        t, so they are in another of these groups.
        """
        correction, (b1, b2) = group["bias_correction"], group["betas"]
        if not isinstance(correction, str):
            yield group
            return
        params = [p for p in group["params"] if p.grad is not None]
        counters = [
            self.state.get(p, {}).get("step", torch.zeros((), device=p.device)) for p in params
        ]
        by_step: dict[float, list[Tensor]] = {}
        for p, t in zip(params, torch.stack(counters).tolist() if counters else (), strict=True):
            by_step.setdefault(t + 1, []).append(p)
        for t, members in by_step.items():
            c1, c2 = 1 - b1**t, 1 - b2**t
            if correction == "second_moment":
                settings = {"lr": group["lr"] * c1, "weight_decay": group["weight_decay"] / c1}
            else:
                settings = {"eps": group["eps"] / c2**0.5}
            yield group | settings | {"params": members}


def steps_taken(optimizer: Optimizer) -> int:
    """Return the number of steps that an Adam took, without those that fp16 skipped.

    Args:
        optimizer: Any optimizer that counts in `state[p]["step"]`, or `BertAdam`; 0 for others.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = BertAdam([weight], lr=0.1, bias_correction=False)
        >>> weight.grad = torch.ones(2)
        >>> _ = optimizer.step(), optimizer.step()
        >>> steps_taken(optimizer)
        2
    """
    counts = []
    for group in optimizer.param_groups:
        entries = [optimizer.state.get(p, {}) for p in group["params"]]
        if counters := [entry["step"] for entry in entries if "step" in entry]:
            counts.append(torch.stack(counters).max() - step_offset(group))
    return int(torch.stack(counts).max().item()) if counts else 0


def step_offset(group: Mapping[str, Any]) -> int:
    """Return the difference between `state[p]["step"]` and the number of steps taken.

    Args:
        group: Parameter group of any optimizer.
    """
    return 0 if group.get("bias_correction", True) else UNCORRECTED_FROM


def _correction_of(
    saved: Mapping[str, Any], state: Iterable[Mapping[str, Any]], own: Mapping[str, Any]
) -> Any:
    """Return the bias correction of a saved group; older states and torch's do not have the key."""
    counters = [float(entry["step"]) for entry in state if "step" in entry]
    if "bias_correction" in saved or not counters:
        return saved.get("bias_correction", own["bias_correction"])
    return max(counters) < UNCORRECTED_FROM
