"""Neighbourhoods around chosen points: which points lie in a ball, their features as rows, and features carried back.

Source: C. R. Qi, L. Yi, H. Su, L. J. Guibas, "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric
Space", NeurIPS 2017. Differs: of a ball with more than k points the k nearest are taken, where its code takes the first
k in storage order, so that nothing depends on the order of the points.
"""

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pointssl.ops.kernels import native, neighbors

ROOM = 1 << 22
"""Most distances that the plain form holds at once."""


def ball(
    xyz: Float[Tensor, "b n 3"], centre: Float[Tensor, "b m 3"], k: int, radius: float = math.inf
) -> Int64[Tensor, "b m k"]:
    """Return the k points nearest to each centre, nearest first, ties by place.

    Those farther than `radius` are replaced by the nearest one, wherever that is. Not differentiable.

    Raises:
        ValueError: clouds with fewer than k points.
    """
    if not 1 <= k <= xyz.shape[1]:
        raise ValueError(f"k must be between 1 and the points per cloud ({xyz.shape[1]}), got {k}")
    found: Tensor = _ball(xyz.detach(), centre.detach(), k, radius)
    return found


@torch.library.custom_op("pointssl::ball", mutates_args=())
def _ball(xyz: Tensor, centre: Tensor, k: int, radius: float) -> Tensor:
    if not _fast(xyz, centre):
        return ball_plain(xyz, centre, k, radius)
    b, n, _ = xyz.shape
    found = torch.empty(b, centre.shape[1], k, dtype=torch.int64)
    native.call("ball", xyz.contiguous(), centre.contiguous(), b, n, centre.shape[1], k, float(radius**2), found)
    return found


@_ball.register_fake
def _(xyz: Tensor, centre: Tensor, k: int, radius: float) -> Tensor:  # noqa: ARG001
    return xyz.new_empty(len(xyz), centre.shape[1], k, dtype=torch.int64)


def ball_plain(
    xyz: Float[Tensor, "b n 3"], centre: Float[Tensor, "b m 3"], k: int, radius: float
) -> Int64[Tensor, "b m k"]:
    """Return the same as `ball` through torch alone: its oracle."""
    parts = []
    for some in centre.split(max(1, ROOM // (len(xyz) * xyz.shape[1])), dim=1):
        away = (some[:, :, None] - xyz[:, None]).square().sum(dim=-1)  # (b, some, n)
        exact = away.dtype == torch.float64  # whose bits the selection cannot pack
        index = away.sort(dim=-1, stable=True).indices[..., :k] if exact else neighbors.smallest_plain(away.float(), k)
        parts.append(torch.where(away.gather(2, index) > radius**2, index[..., :1], index))
    return torch.cat(parts, dim=1)


def group(x: Float[Tensor, "b n d"], index: Int64[Tensor, "b m k"]) -> Float[Tensor, "b m k d"]:
    """Return the rows of `x` that `index` names, one neighbourhood after the other."""
    if _fast(x) and not torch.compiler.is_compiling():
        rows: Tensor = _Group.apply(x, index)  # type: ignore[no-untyped-call]
        return rows
    return group_plain(x, index)


def group_plain(x: Float[Tensor, "b n d"], index: Int64[Tensor, "b m k"]) -> Float[Tensor, "b m k d"]:
    """Return the same as `group` through torch alone: its oracle."""
    flat = index.flatten(1)[..., None].expand(-1, -1, x.shape[-1])
    rows: Tensor = x.gather(1, flat).unflatten(1, index.shape[1:])
    return rows


class _Group(torch.autograd.Function):
    """Rows by place, and the sum of what comes back to each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        (b, n, d), index = x.shape, index.contiguous()
        ctx.save_for_backward(index)
        ctx.points = n
        out = x.new_empty(*index.shape, d)
        native.call("group", x.contiguous(), index, b, n, index[0].numel(), d, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (index,) = ctx.saved_tensors
        b, d = len(index), grad.shape[-1]
        back = torch.zeros(b, ctx.points, d)
        native.call("ungroup", grad.contiguous(), index, b, ctx.points, index[0].numel(), d, back)
        return back, None


def interpolate(
    x: Float[Tensor, "b m d"], centre: Float[Tensor, "b m 3"], xyz: Float[Tensor, "b n 3"], k: int = 3
) -> Float[Tensor, "b n d"]:
    """Carry features of centres to all points: the mean over the k nearest centres, by inverse squared distance."""
    index = ball(centre, xyz, min(k, centre.shape[1]))  # (b, n, k)
    away = (group(centre, index) - xyz[:, :, None]).square().sum(dim=-1)
    weight = 1 / (away + 1e-8)
    weight = weight / weight.sum(dim=-1, keepdim=True)
    mean: Tensor = (weight[:, :, None] @ group(x, index).to(weight.dtype)).squeeze(2)
    return mean


def _fast(*tensors: Tensor) -> bool:
    usable = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
    return usable and native.available()
