"""Farthest point sampling: a subset whose points lie as far from each other as possible.

Source: T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer Science 1985.
The compiled form passes by whole buckets of points that the newest choice is too far from to change, as in M. Han et
al., "QuickFPS: Architecture and Algorithms for Farthest Point Sampling in Large-Scale Point Clouds", IEEE TCAD 2023.
"""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from pointssl.ops.kernels import native


def farthest_points(
    xyz: Float[Tensor, "b n 3"], count: int, start: Int[Tensor, "b"] | None = None
) -> Int64[Tensor, "b m"]:
    """Return places of `count` points per cloud, each the farthest from all before it; the first is `start` or 0.

    Exact and deterministic; of equally far points the one with the lowest place wins. Memory is one distance per point.
    Not differentiable.

    Raises:
        ValueError: fewer points than asked for.
    """
    b, n, _ = xyz.shape
    if not 1 <= count <= n:
        raise ValueError(f"count must be between 1 and the number of points ({n}), got {count}")
    first = torch.zeros(b, dtype=torch.int64, device=xyz.device) if start is None else start.to(torch.int64)
    chosen: Tensor = _farthest(xyz.detach(), count, first)
    return chosen


def outermost(xyz: Float[Tensor, "b n 3"]) -> Int64[Tensor, "b"]:
    """Return the place of the point farthest from the mean: a start that does not depend on the order of the points."""
    away: Tensor = (xyz - xyz.mean(dim=1, keepdim=True)).square().sum(dim=-1)
    return away.argmax(dim=1)


@torch.library.custom_op("pointssl::farthest_points", mutates_args=())
def _farthest(xyz: Tensor, count: int, start: Tensor) -> Tensor:
    if xyz.device.type != "cpu" or xyz.dtype != torch.float32 or not native.available():
        return farthest_points_plain(xyz, count, start)
    b, n, _ = xyz.shape
    chosen = torch.empty(b, count, dtype=torch.int64)
    native.call("farthest", xyz.contiguous(), start.contiguous(), b, n, count, chosen)
    return chosen


@_farthest.register_fake
def _(xyz: Tensor, count: int, start: Tensor) -> Tensor:  # noqa: ARG001
    return xyz.new_empty(len(xyz), count, dtype=torch.int64)


def farthest_points_plain(xyz: Float[Tensor, "b n 3"], count: int, start: Int64[Tensor, "b"]) -> Int64[Tensor, "b m"]:
    """Return the same through torch alone: the oracle of the compiled form."""
    b, n, _ = xyz.shape
    rows = torch.arange(b, device=xyz.device)
    chosen = torch.empty(b, count, dtype=torch.int64, device=xyz.device)
    chosen[:, 0] = start
    distance = torch.full((b, n), torch.inf, device=xyz.device, dtype=xyz.dtype)
    for step in range(1, count):
        last = xyz[rows, chosen[:, step - 1]]
        distance = torch.minimum(distance, (xyz - last[:, None]).square().sum(dim=-1))
        chosen[:, step] = distance.argmax(dim=1)
    return chosen
