"""Batch norm whose statistics several processes can share; with its activation in one pass each way.

On a processor, torch's batch norm and leaky ReLU read and write every value once for each; here the normalised values
are never written. Elsewhere, in half precision, and where a compiler fuses them anyway, torch's own are used.

Shared statistics are those of the clouds of all processes, which must hold equally many each. Gradients of weights stay
those of the process's own loss, to be averaged.
"""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.ops import distributed
from pointssl.ops.kernels import native

CHUNKS = 64
"""Partial sums over the points: a fixed number, so that a sum does not depend on the number of threads."""


@final
class BatchNorm(nn.BatchNorm1d):
    """Batch norm over the rows of a matrix, here and in the layers that compute it themselves.

    With `shared`, training in several processes normalises by the statistics of all their rows.
    """

    shared: bool = False

    def forward(self, x: Float[Tensor, "m e"]) -> Float[Tensor, "m e"]:
        """Normalise every column; the running statistics follow in training mode."""
        world = world_of(self)
        return super().forward(x) if world == 1 else normalise(x, self, world)


@final
class ImageNorm(nn.BatchNorm2d):
    """Batch norm over the pixels of images, with the same choice."""

    shared: bool = False

    def forward(self, x: Float[Tensor, "m c h w"]) -> Float[Tensor, "m c h w"]:
        """Normalise every channel; the running statistics follow in training mode."""
        world = world_of(self)
        if world == 1:
            return super().forward(x)
        rows = normalise(x.permute(0, 2, 3, 1).flatten(0, 2), self, world)
        # Copied back to rows of pixels: convolutions of few channels, given channels last, damage the memory on
        # processors with AVX2 alone (oneDNN in torch 2.13; seen with 4 channels).
        return rows.view(len(x), *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2).contiguous()


def share_statistics(module: nn.Module) -> None:
    """Let every norm of this file in `module` use the statistics of all processes; torch's own norms stay."""
    for part in module.modules():
        if isinstance(part, BatchNorm | ImageNorm):
            part.shared = True


def world_of(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> int:
    """Return over how many processes the statistics of `norm` are to be taken now."""
    return distributed.world() if norm.training and isinstance(norm, BatchNorm | ImageNorm) and norm.shared else 1


def normalise(x: Float[Tensor, "m e"], norm: nn.BatchNorm1d | nn.BatchNorm2d, world: int) -> Float[Tensor, "m e"]:
    """Return batch norm of `x` in training mode over the rows of all processes, for all devices and types."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean: Tensor = distributed.mean(wide.mean(dim=0), world)
    centred = wide - mean
    var: Tensor = distributed.mean(centred.square().mean(dim=0), world)
    follow(norm, mean, var, len(x) * world)
    return torch.addcmul(norm.bias, centred, norm.weight * torch.rsqrt(var + norm.eps)).to(x.dtype)


def activate(x: Float[Tensor, "b n e"], norm: nn.BatchNorm1d, slope: float) -> Float[Tensor, "b n e"]:
    """Return leaky_relu(norm(x)), normalised over all points of the batch; a slope of 1 is no activation."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling() and native.available():
        return _activate_fast(x, norm, slope)
    return activate_plain(x, norm, slope)


def activate_plain(x: Float[Tensor, "b n e"], norm: nn.BatchNorm1d, slope: float) -> Float[Tensor, "b n e"]:
    """Return the same through torch's own layers: the oracle of the fast path."""
    normed: Tensor = norm(x.flatten(0, 1)).view_as(x)
    return normed if slope == 1.0 else nn.functional.leaky_relu(normed, slope)


def frozen(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Float[Tensor, "e"], Float[Tensor, "e"]]:
    """Return the running mean and variance; raises ValueError for a norm that keeps none."""
    if norm.running_mean is None or norm.running_var is None or norm.momentum is None:
        raise ValueError("norm must keep running statistics with a momentum, as BatchNorm1d does by default")
    return norm.running_mean, norm.running_var


@torch.no_grad()
def follow(
    norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Float[Tensor, "e"], var: Float[Tensor, "e"], count: int
) -> None:
    """Move the running statistics towards a batch of `count` values; `var` is biased, the kept one is not."""
    running_mean, running_var = frozen(norm)
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    running_mean.lerp_(mean.to(running_mean.dtype), norm.momentum)
    running_var.lerp_((var * (count / max(1, count - 1))).to(running_var.dtype), norm.momentum)


def _activate_fast(x: Float[Tensor, "b n e"], norm: nn.BatchNorm1d, slope: float) -> Float[Tensor, "b n e"]:
    mean, var = frozen(norm)
    x, world = x.contiguous(), world_of(norm)
    if norm.training:
        mean, var = _moments(x.detach(), world)
        follow(norm, mean, var, x.shape[0] * x.shape[1] * world)
    out: Tensor = _Activate.apply(  # type: ignore[no-untyped-call]
        x, norm.weight, norm.bias, mean, var, norm.training, norm.eps, slope, world
    )
    return out


def _moments(x: Float[Tensor, "b n e"], world: int) -> tuple[Float[Tensor, "e"], Float[Tensor, "e"]]:
    """Mean and biased variance over all points of all processes, summed in float64."""
    points, e = x.shape[0] * x.shape[1], x.shape[2]
    sums = torch.empty(CHUNKS, 2, e, dtype=torch.float64)
    native.call("norm_moments", x, points, e, CHUNKS, sums)
    mean, square = distributed.total(sums.sum(dim=0), world) / (points * world)
    return mean.float(), (square - mean.square()).clamp_min(0).float()


class _Activate(torch.autograd.Function):
    """The pass over all values, and its way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, *settings: Any) -> Tensor:
        training, eps, slope, world = settings
        rstd = torch.rsqrt(var + eps)
        out = torch.empty_like(x)
        points, e = x.shape[0] * x.shape[1], x.shape[2]
        native.call("norm_activate", x, points, e, mean, weight * rstd, bias, slope, out)
        # In evaluation mode the running statistics may change before the way back.
        ctx.save_for_backward(x, weight, bias, mean if training else mean.clone(), rstd)
        ctx.settings = (training, slope, world)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        training, slope, world = ctx.settings
        points, e = x.shape[0] * x.shape[1], x.shape[2]
        grad, scale = grad.contiguous(), weight * rstd
        partial = torch.empty(CHUNKS, 2, e, dtype=torch.float64)
        native.call("norm_sums", grad, x, points, e, mean, scale, bias, slope, CHUNKS, partial)
        sums = partial.sum(dim=0).float()
        all_g, all_gy = distributed.total(sums, world)
        count = points * world if training else float("inf")  # frozen statistics send nothing back
        constant, linear = scale * all_g / count, scale * rstd.square() * all_gy / count
        dx = torch.empty_like(x)
        native.call("norm_back", grad, x, points, e, mean, scale, bias, constant, linear, slope, dx)
        sum_g, sum_gy = sums
        return dx, rstd * sum_gy, sum_g, None, None, None, None, None, None
