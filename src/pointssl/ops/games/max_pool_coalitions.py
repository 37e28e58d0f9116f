"""A network that pools by max has all its 2^r masked clouds at hand after one look at the points.

The pooled feature of a masked cloud is, channel by channel, the largest of what its kept regions reach, and of what the
masking point reaches where something is absent. So one pass over the points is enough; what is left are 2^r heads.

The first layer of a head is linear, and most of their cost. It needs no pooled feature either. In one channel let the
regions be sorted by what they reach, g1 >= g2 >= ... >= gr >= g0 (g0: the masking point). Then

    max over T = g0 + sum over j of (gj - gj+1) [T meets the first j regions],

a sum of r OR games. All channels together are OR games on at most 2^r sets A, whose weights go through the layer once:
D[A] = sum over the (channel, j) of A of (gj - gj+1) times the channel's column. What a coalition T gets is the sum of D
over all sets that meet T: everything less the sum over subsets of the complement, for all T by one fast transform. For
1024 channels, 512 outputs and r = 10 these are 8 million multiplications and additions instead of 537 million.

With gradients, for training, the network sees the points of all needed regions in pieces of equal size, as small
clouds of their own: it never holds more than one value per piece and channel, where it pools without making its mapped
points.

Source: ours.
"""

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

PIECE = 64
"""Points of a piece: on average half a piece per region is filled up in vain."""


def region_maxima(features: Float[Tensor, "b n e"], region: Int[Tensor, "b n"], r: int) -> Float[Tensor, "b r e"]:
    """Return the largest value that the points of each region reach in each channel; -inf for one without points."""
    most = features.new_full((len(features), r, features.shape[2]), -torch.inf)
    for cloud in range(len(features)):
        for k in range(r):
            own = features[cloud, region[cloud] == k]
            if len(own):
                most[cloud, k] = own.amax(dim=0)
    return most


def coalition_maxima(maxima: Float[Tensor, "b r e"], rest: Float[Tensor, "b e"]) -> Float[Tensor, "b c e"]:
    """Return the largest value of each coalition's regions and `rest`, for all 2^r coalitions by number.

    One maximum each: a coalition is one without its highest region, and that region.
    """
    b, r, e = maxima.shape
    table = maxima.new_empty(b, 1 << r, e)
    table[:, 0] = rest
    for bit in range(r):
        half = 1 << bit
        torch.maximum(table[:, :half], maxima[:, bit : bit + 1], out=table[:, half : 2 * half])
    return table


def linear_of_maxima(
    maxima: Float[Tensor, "r e"], rest: Float[Tensor, "e"], weight: Float[Tensor, "d e"]
) -> Float[Tensor, "c d"]:
    """Return weight · max(kept regions, rest) for all 2^r coalitions, without making the maxima.

    Equal to `coalition_maxima(...) @ weight.T` up to rounding.
    """
    r, _ = maxima.shape
    reached, rank = torch.maximum(maxima, rest).sort(dim=0, descending=True)
    gap = reached - torch.cat([reached[1:], rest[None]])  # (r, e), never negative
    first = (1 << rank).cumsum(dim=0)  # the set of the first j regions, as a number
    columns = weight.mT.contiguous()  # adding strided columns takes seven times longer
    sets = columns.new_zeros(1 << r, len(weight))
    for j in range(r):
        sets.index_add_(0, first[j], gap[j][:, None] * columns)
    everything = weight @ (rest + gap.sum(dim=0))
    for bit in range(r):
        pairs = sets.view(-1, 2, 1 << bit, len(weight))
        pairs[:, 1] += pairs[:, 0]
    return everything - sets.flip(0)


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
