"""Which points lie nearest to which, in the space of any feature, in bounded memory and the same on every run.

Ranking needs only |x_j|²/2 - x_i · x_j, one matrix product; the features are centred first so that a cloud far from
the origin loses no digits. Equal ranks are ordered by index. Ranks are float32 whatever the autocast says: in half
precision the sets of neighbours change.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 1 << 24
"""Most ranks that are held at once."""


def nearest(x: Float[Tensor, "b n d"], k: int) -> Int[Tensor, "b n k"]:
    """Return the `k` nearest points of every point of its own cloud, nearest first, the point itself included.

    Raises ValueError when a cloud has fewer than `k` points. Not differentiable.
    """
    if not 1 <= k <= x.shape[1]:
        raise ValueError(f"k must be between 1 and the points per cloud ({x.shape[1]}), got {k}")
    return nearest_plain(x, k)


@torch.no_grad()
def nearest_plain(x: Float[Tensor, "b n d"], k: int) -> Int[Tensor, "b n k"]:
    """Return the same as `nearest` through torch alone, on any device: the oracle of the fast path."""
    b, n, _ = x.shape
    clouds, rows = max(1, BLOCK // (n * n)), max(1, min(n, BLOCK // n))
    found = torch.empty(b, n, k, dtype=torch.int64, device=x.device)
    for cloud in range(0, b, clouds):
        here = centre(x[cloud : cloud + clouds])
        for row in range(0, n, rows):
            rank = ranks(here, here[:, row : row + rows])
            found[cloud : cloud + clouds, row : row + rows] = _smallest(rank, k)
    return found


def centre(x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
    """Move every cloud's mean to the origin, in float32."""
    full = x.detach().float()
    return full - full.mean(dim=1, keepdim=True)


def ranks(x: Float[Tensor, "b n d"], query: Float[Tensor, "b m d"]) -> Float[Tensor, "b m n"]:
    """Return half the squared distance of every query to every point, less the query's own half square."""
    with torch.autocast(x.device.type, enabled=False):
        half_square = 0.5 * x.square().sum(dim=-1)[:, None]
        return torch.baddbmm(half_square, query, x.mT, alpha=-1)


def _smallest(rank: Float[Tensor, "b m n"], k: int) -> Int[Tensor, "b m k"]:
    """Return the positions of the `k` smallest values of each row, ties by position."""
    # The bits of a float, read as an integer, are ordered like the float once the negative ones are turned over; with
    # the position behind them every key is unique, so a partial selection has only one answer. +0 turns -0 into 0.
    bits = (rank + 0.0).view(torch.int32).to(torch.int64)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    keys = (ordered << 32) | torch.arange(rank.shape[-1], device=rank.device)
    return keys.topk(k, dim=-1, largest=False, sorted=True).values & 0xFFFFFFFF
