"""Adapter for private functions of torch: the only module that uses their names.

Each is here because the public way is measurably slower or does not exist.
"""

import torch
from torch import Tensor
from torch.optim import Optimizer

Tensors = list[Tensor] | tuple[Tensor, ...]
"""Any number of tensors, as the stubs of these functions type them."""


def move_toward(tensors: Tensors, ends: Tensors, weight: float) -> None:
    """Move each tensor in place by the share `weight` of its distance to its end.

    Example:
        >>> x = torch.tensor([0.0, 4.0])
        >>> move_toward([x], [torch.tensor([4.0, 4.0])], 0.25)
        >>> x
        tensor([1., 4.])
    """
    torch._foreach_lerp_(tensors, ends, weight)


def norms(tensors: Tensors) -> tuple[Tensor, ...]:
    """Return the L2 norm of each tensor, a scalar on its device.

    Example:
        >>> norms([torch.tensor([3.0, 4.0])])
        (tensor(5.),)
    """
    return tuple(torch._foreach_norm(tensors))


def differences(tensors: Tensors, others: Tensors) -> tuple[Tensor, ...]:
    """Return each tensor minus its counterpart.

    Example:
        >>> differences([torch.tensor(3.0)], [torch.tensor(1.0)])
        (tensor(2.),)
    """
    return tuple(torch._foreach_sub(tensors, others))


def softmax_backward(grad: Tensor, output: Tensor) -> Tensor:
    """Return the gradient of a softmax over the last dimension by its input.

    Args:
        grad: Gradient of the loss by the softmax's output.
        output: Output of the softmax, of the same shape.

    Example:
        >>> softmax_backward(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
        tensor([ 0.2500, -0.2500])
    """
    return torch._softmax_backward_data(grad, output, -1, output.dtype)


def leave_unscaling_to_the_scaler(optimizer: Optimizer) -> None:
    """Have a `GradScaler` unscale fp16 gradients before the step, not the fused kernel inside it.

    Only then can they be clipped in between (Lightning-AI/pytorch-lightning#21435).
    """
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]  # not in the stubs
