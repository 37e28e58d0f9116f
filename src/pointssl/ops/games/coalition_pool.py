"""Masked clouds for a network that pools by max, from one look at their points, with gradients.

What such a network makes of a masked cloud is, channel by channel, the largest of what its kept regions reach, and of
what the masking point reaches where something is absent. Regions have unequal sizes, so their points are cut into
pieces of equal size, which go through the network as small clouds of their own: it never holds more than one value per
piece and channel, where it pools without making its mapped points.

Source: ours; `maxima.py` has what needs no gradient.
"""

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

PIECE = 64
"""Points of a piece: on average half a piece per region is filled up in vain."""


def region_pieces(
    xyz: Float[Tensor, "b n 3"], region: Int[Tensor, "b n"], needed: Bool[Tensor, "b r"], size: int = PIECE
) -> tuple[Float[Tensor, "p m 3"], Int64[Tensor, "p"]]:
    """Return the points of all needed regions in pieces, each of one region, and the number b · r + k of its region.

    A piece that its region does not fill ends with copies of the region's last point, which change no maximum.
    """
    b, r = needed.shape
    key = (region.long() + r * torch.arange(b, device=xyz.device)[:, None]).flatten()
    chosen = needed.flatten()[key].nonzero()[:, 0]
    place = chosen[key[chosen].argsort(stable=True)]
    count = torch.bincount(key[chosen], minlength=b * r)
    end = count.cumsum(dim=0)
    pieces = (count + size - 1) // size
    owner = torch.arange(b * r, device=xyz.device).repeat_interleave(pieces)
    nth = torch.arange(len(owner), device=xyz.device) - (pieces.cumsum(dim=0) - pieces)[owner]
    rows = ((end - count)[owner] + nth * size)[:, None] + torch.arange(size, device=xyz.device)
    rows = rows.minimum(end[owner][:, None] - 1)
    return xyz.reshape(-1, 3)[place[rows]], owner


def region_reach(pooled: Float[Tensor, "p e"], owner: Int[Tensor, "p"], b: int, r: int) -> Float[Tensor, "b r e"]:
    """Return the largest value of each region's pieces in each channel; -inf for regions without pieces."""
    empty = pooled.new_full((b * r, pooled.shape[1]), -torch.inf)
    reached: Tensor = empty.scatter_reduce(0, owner[:, None].expand_as(pooled), pooled, "amax")
    return reached.view(b, r, -1)


def pooled_of_coalitions(
    reached: Float[Tensor, "b r e"], rest: Float[Tensor, "b e"], kept: Bool[Tensor, "b c r"]
) -> Float[Tensor, "b c e"]:
    """Return the pooled feature of every masked cloud.

    Args:
        reached: what each region reaches; -inf for one that no coalition keeps.
        rest: what the point reaches that absent points are moved to.
        kept: the coalitions of each cloud; one that keeps every region has no absent point.
    """
    absent = ~kept.all(dim=2)
    table = torch.where(absent[..., None], rest[:, None], -torch.inf)
    for k in range(reached.shape[1]):
        table = torch.where(kept[:, :, k, None], torch.maximum(table, reached[:, k, None]), table)
    return table
