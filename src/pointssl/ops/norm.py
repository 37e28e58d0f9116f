"""Batch norm and activation in one pass each way, and the running statistics of norms that are computed elsewhere.

On a processor, torch's batch norm and leaky ReLU read and write every value once for each; here the normalised values
are never written. Elsewhere, in half precision, and where a compiler fuses them anyway, torch's own are used.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.ops import native

CHUNKS = 64
"""Partial sums over the points: a fixed number, so that a sum does not depend on the number of threads."""


def activate(x: Float[Tensor, "b n e"], norm: nn.BatchNorm1d, slope: float) -> Float[Tensor, "b n e"]:
    """Return leaky_relu(norm(x)), normalised over all points of the batch; a slope of 1 is no activation."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling() and native.available():
        return _activate_fast(x, norm, slope)
    return activate_plain(x, norm, slope)


def activate_plain(x: Float[Tensor, "b n e"], norm: nn.BatchNorm1d, slope: float) -> Float[Tensor, "b n e"]:
    """Return the same through torch's own layers: the oracle of the fast path."""
    normed: Tensor = norm(x.flatten(0, 1)).view_as(x)
    return normed if slope == 1.0 else nn.functional.leaky_relu(normed, slope)


def frozen(norm: nn.BatchNorm1d) -> tuple[Float[Tensor, "e"], Float[Tensor, "e"]]:
    """Return the running mean and variance; raises ValueError for a norm that keeps none."""
    if norm.running_mean is None or norm.running_var is None or norm.momentum is None:
        raise ValueError("norm must keep running statistics with a momentum, as BatchNorm1d does by default")
    return norm.running_mean, norm.running_var


@torch.no_grad()
def follow(norm: nn.BatchNorm1d, mean: Float[Tensor, "e"], var: Float[Tensor, "e"], count: int) -> None:
    """Move the running statistics towards a batch of `count` values; `var` is biased, the kept one is not."""
    running_mean, running_var = frozen(norm)
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    running_mean.lerp_(mean.to(running_mean.dtype), norm.momentum)
    running_var.lerp_((var * (count / max(1, count - 1))).to(running_var.dtype), norm.momentum)


def _activate_fast(x: Float[Tensor, "b n e"], norm: nn.BatchNorm1d, slope: float) -> Float[Tensor, "b n e"]:
    mean, var = frozen(norm)
    x = x.contiguous()
    if norm.training:
        mean, var = _moments(x.detach())
        follow(norm, mean, var, x.shape[0] * x.shape[1])
    out: Tensor = _Activate.apply(  # type: ignore[no-untyped-call]
        x, norm.weight, norm.bias, mean, var, norm.training, norm.eps, slope
    )
    return out


def _moments(x: Float[Tensor, "b n e"]) -> tuple[Float[Tensor, "e"], Float[Tensor, "e"]]:
    """Mean and biased variance over all points, summed in float64."""
    points, e = x.shape[0] * x.shape[1], x.shape[2]
    sums = torch.empty(CHUNKS, 2, e, dtype=torch.float64)
    native.call("norm_moments", x, points, e, CHUNKS, sums)
    mean, square = sums.sum(dim=0) / points
    return mean.float(), (square - mean.square()).clamp_min(0).float()


class _Activate(torch.autograd.Function):
    """The pass over all values, and its way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, *settings: Any) -> Tensor:
        training, eps, slope = settings
        rstd = torch.rsqrt(var + eps)
        out = torch.empty_like(x)
        points, e = x.shape[0] * x.shape[1], x.shape[2]
        native.call("norm_activate", x, points, e, mean, weight * rstd, bias, slope, out)
        # In evaluation mode the running statistics may change before the way back.
        ctx.save_for_backward(x, weight, bias, mean if training else mean.clone(), rstd)
        ctx.settings = (training, slope)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        training, slope = ctx.settings
        points, e = x.shape[0] * x.shape[1], x.shape[2]
        grad, scale = grad.contiguous(), weight * rstd
        partial = torch.empty(CHUNKS, 2, e, dtype=torch.float64)
        native.call("norm_sums", grad, x, points, e, mean, scale, bias, slope, CHUNKS, partial)
        sum_g, sum_gy = partial.sum(dim=0).float()
        count = points if training else float("inf")  # frozen statistics send nothing back
        constant, linear = scale * sum_g / count, scale * rstd.square() * sum_gy / count
        dx = torch.empty_like(x)
        native.call("norm_back", grad, x, points, e, mean, scale, bias, constant, linear, slope, dx)
        return dx, rstd * sum_gy, sum_g, None, None, None, None, None
