"""Adam whose bias correction can be switched off, with decay toward 0 or toward the start.

Zhang et al. (2021), Algorithm 1: BERTAdam is Adam without lines 9 and 10, the bias correction.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from stablebert.torch_internals import leave_unscaling_to_the_scaler, move_toward

# With a step counter this large, torch's kernel computes 1 - beta^t = 1 exactly, so it corrects
# nothing. float32 counts exactly up to 1.6e7, which leaves room for six million real steps.
UNCORRECTED_FROM = 10_000_000


class BertAdam(torch.optim.AdamW):
    """Adam with decoupled weight decay; `bias_correction=False` is BERTAdam (Devlin et al., 2019).

    With gradient g, m ← β₁ m + (1-β₁) g and v ← β₂ v + (1-β₂) g², parameters p move in step t by

        p ← p - η λ p - η m̂ / (√v̂ + ε)

    where m̂ = m / (1-β₁^t) and v̂ = v / (1-β₂^t), or, without bias correction, m̂ = m and v̂ = v, as
    in the TensorFlow code that BERT was released with. Both variants run on torch's fused AdamW
    kernel; without bias correction its step counter is offset.

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
        bias_correction: Whether to correct the moments for their start at zero, in groups that do
            not say so themselves.

    Raises:
        ValueError: If a beta is so close to 1 that the kernel would still correct for it.

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
        bias_correction: bool = True,
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
            ValueError: If a beta is so close to 1 that the kernel would still correct for it.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        if step_offset(group) and max(group["betas"]) ** UNCORRECTED_FROM > 1e-16:
            betas = tuple(group["betas"])
            raise ValueError(f"betas={betas} with bias_correction=False: at most 0.999996")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of an optimizer of the same kind.

        Raises:
            ValueError: If a group comes from an optimizer with, and this one is without, bias
                correction or decay toward the start, or the other way around.
        """
        groups: list[dict[str, Any]] = []
        for own, saved in zip(self.param_groups, state_dict["param_groups"], strict=False):
            state = [state_dict["state"][i] for i in saved["params"] if i in state_dict["state"]]
            saved = saved | {"bias_correction": _is_corrected(saved, state, own)}
            for key in ("bias_correction", "pull"):
                if bool(own.get(key)) != bool(saved.get(key)):
                    raise ValueError(
                        f"the state comes from an optimizer with {key}={saved.get(key)!r} in group "
                        f"{len(groups)}, this one has {own.get(key)!r}: build it with the same "
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
                move_toward(group["params"], group["start"], group["lr"] * pull)
        super().step()
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


def _is_corrected(
    saved: Mapping[str, Any], state: Iterable[Mapping[str, Any]], own: Mapping[str, Any]
) -> bool:
    """Return whether a saved group corrects its bias; older states and torch's do not say so."""
    counters = [float(entry["step"]) for entry in state if "step" in entry]
    if "bias_correction" in saved or not counters:
        return bool(saved.get("bias_correction", own["bias_correction"]))
    return max(counters) < UNCORRECTED_FROM
