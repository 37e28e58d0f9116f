"""Farthest point sampling: a subset whose points lie as far from each other as possible.

Source: T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer Science 1985.
"""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor


def farthest_points(
    xyz: Float[Tensor, "b n 3"], count: int, start: Int[Tensor, "b"] | None = None
) -> Int64[Tensor, "b m"]:
    """Return places of `count` points per cloud, each the farthest from all before it; the first is `start` or 0.

    Exact and deterministic; of equally far points the one with the lowest place wins. Memory is one distance per point.

    Raises:
        ValueError: fewer points than asked for.
    """
    b, n, _ = xyz.shape
    if not 1 <= count <= n:
        raise ValueError(f"count must be between 1 and the number of points ({n}), got {count}")
    rows = torch.arange(b, device=xyz.device)
    chosen = torch.empty(b, count, dtype=torch.int64, device=xyz.device)
    chosen[:, 0] = 0 if start is None else start
    distance = torch.full((b, n), torch.inf, device=xyz.device, dtype=xyz.dtype)
    for step in range(1, count):
        last = xyz[rows, chosen[:, step - 1]]
        distance = torch.minimum(distance, (xyz - last[:, None]).square().sum(dim=-1))
        chosen[:, step] = distance.argmax(dim=1)
    return chosen
