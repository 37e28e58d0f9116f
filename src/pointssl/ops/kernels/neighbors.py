"""Which points lie nearest to which, in the space of any feature, in bounded memory and the same on every run.

Ranking needs only |x_j|²/2 - x_i · x_j, one matrix product; the features are centred first, in their own precision, so
that a cloud far from the origin loses no digits. Equal ranks are ordered by index. Ranks are float32 whatever the
autocast says: in half precision the sets of neighbours change. The selection is compiled where it can be (`native`).

Distances below about 3e-4 radii of the cloud are not told apart: float32 has no digits left for them beside |x_j|²/2.
In clusters that tight the order is open, and a point need not be in its own list.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pointssl.ops.kernels import native

BLOCK_CPU = 1 << 20
"""Most ranks held at once on a processor: a block stays in its cache."""
BLOCK_GPU = 1 << 26
"""The same on other devices, where few large products are faster."""


def nearest(x: Float[Tensor, "b n d"], k: int) -> Int[Tensor, "b n k"]:
    """Return the `k` nearest points of every point of its own cloud, nearest first, itself included (see resolution).

    Raises ValueError when a cloud has fewer than `k` points. Not differentiable.
    """
    if not 1 <= k <= x.shape[1]:
        raise ValueError(f"k must be between 1 and the points per cloud ({x.shape[1]}), got {k}")
    found: Tensor = _nearest(x.detach(), k)
    return found


@torch.library.custom_op("pointssl::nearest", mutates_args=())
def _nearest(x: Tensor, k: int) -> Tensor:
    b, n, _ = x.shape
    found = torch.empty(b, n, k, dtype=torch.int64, device=x.device)
    block = BLOCK_CPU if x.device.type == "cpu" else BLOCK_GPU
    clouds, rows = max(1, block // (n * n)), max(1, min(n, block // n))
    wide = x if x.dtype == torch.float64 else x.float()
    centred = (wide - wide.mean(dim=1, keepdim=True)).float()
    # The square rides along as one more feature: (x_i, 1) · (-x_j, |x_j|²/2), with no second pass over the ranks.
    query = torch.cat([centred, torch.ones_like(centred[..., :1])], dim=-1)
    points = torch.cat([-centred, 0.5 * centred.square().sum(dim=-1, keepdim=True)], dim=-1).mT
    room = torch.empty(min(b, clouds) * rows * n, device=x.device)
    for cloud in range(0, b, clouds):
        there = points[cloud : cloud + clouds]
        for row in range(0, n, rows):
            here = query[cloud : cloud + clouds, row : row + rows]
            rank = room[: here.shape[0] * here.shape[1] * n].view(here.shape[0], here.shape[1], n)
            with torch.autocast(x.device.type, enabled=False):
                torch.bmm(here, there, out=rank)
            found[cloud : cloud + clouds, row : row + rows] = smallest(rank, k)
    return found


@_nearest.register_fake
def _(x: Tensor, k: int) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], k, dtype=torch.int64)


def smallest(rank: Float[Tensor, "b m n"], k: int) -> Int[Tensor, "b m k"]:
    """Return the positions of the `k` smallest values of each row, smallest first, ties by position."""
    if rank.device.type != "cpu" or rank.dtype != torch.float32 or not native.available():
        return smallest_plain(rank, k)
    b, m, n = rank.shape
    found = torch.empty(b, m, k, dtype=torch.int64)
    native.call("smallest", rank.contiguous(), b * m, n, k, found)
    return found


def smallest_plain(rank: Float[Tensor, "b m n"], k: int) -> Int[Tensor, "b m k"]:
    """Return the same as `smallest` through torch alone: its oracle."""
    if rank.device.type == "cpu":
        # A selection of floats leaves ties at its edge open; mostly there are none, and a third of the time is saved.
        value, place = rank.topk(k, dim=-1, largest=False, sorted=False)
        if int((rank <= value.amax(dim=-1, keepdim=True)).sum()) == value.numel():
            return _keys(value, place).sort(dim=-1).values & 0xFFFFFFFF
    keys = _keys(rank, torch.arange(rank.shape[-1], device=rank.device))
    return keys.topk(k, dim=-1, largest=False, sorted=True).values & 0xFFFFFFFF


def _keys(value: Float[Tensor, "b m n"], place: Int[Tensor, "..."]) -> Int[Tensor, "b m n"]:
    """Pack value and position into integers of the same order, so that no two are equal and no choice is left open."""
    # The bits of a float, read as an integer, are ordered like the float once the negative ones are turned over; adding
    # zero turns -0 into 0.
    bits = (value + 0.0).view(torch.int32).to(torch.int64)
    return (torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits) << 32) | place
