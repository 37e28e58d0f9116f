"""Which parts of a cloud does a network need? Regions as players, clouds with regions absent, and the answer's score.

A cloud is cut into r regions. A coalition is a set of regions that are kept; the points of all others are moved to
where they say nothing. Coalitions are numbered: bit i of the number says whether region i is kept.

Source: W. Shen et al., "Interpreting Representation Quality of DNNs for 3D Point Cloud Processing", NeurIPS 2021
(regions by farthest point sampling, absent points at the cloud's mean, log-odds score). Ours: the other two ways of
masking, the rule for clouds with fewer different places than regions, and the score in a form that cannot overflow.
"""

from typing import Literal, assert_never

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from pointssl.ops.sampling import farthest_points

Masking = Literal["mean", "nearest", "resample"]
Score = Literal["log_odds", "log_p", "logit"]

BLOCK = 1 << 22
"""Most distances held at once while nearest kept points are looked for."""


def regions(xyz: Float[Tensor, "b n 3"], r: int) -> Int64[Tensor, "b n"]:
    """Return the region (0 to r - 1) of every point: r centres far apart, and each point with its nearest centre.

    Deterministic: the first centre is point 0, of equally near centres the first wins. No region is empty: every centre
    belongs to its own region, and where a cloud has fewer than r different places, further points of the same places
    become centres, in the order of the cloud.

    Raises:
        ValueError: fewer points than regions.
    """
    if not 1 <= r <= xyz.shape[1]:
        raise ValueError(f"r must be between 1 and the number of points ({xyz.shape[1]}), got {r}; take fewer regions")
    centre = _distinct(farthest_points(xyz, r), xyz.shape[1])
    rows = torch.arange(len(xyz), device=xyz.device)[:, None]
    distance = torch.cdist(xyz, xyz[rows, centre], compute_mode="donot_use_mm_for_euclid_dist")
    own = torch.arange(r, device=xyz.device).expand(len(xyz), r)
    return distance.argmin(dim=2).scatter_(1, centre, own)


def all_coalitions(r: int, device: torch.device | None = None) -> Bool[Tensor, "c r"]:
    """Return all 2^r coalitions in the order of their numbers: the first keeps nothing, the last everything."""
    if not 1 <= r <= 30:
        raise ValueError(f"r must be between 1 and 30, got {r}")
    return members(torch.arange(2**r, device=device), r)


def members(number: Int[Tensor, "*c"], r: int) -> Bool[Tensor, "*c r"]:
    """Return which of r regions the coalitions with these numbers keep."""
    bits = torch.arange(r, device=number.device, dtype=number.dtype)
    return ((number[..., None] >> bits) & 1).bool()


def mask(
    xyz: Float[Tensor, "b n 3"],
    region: Int[Tensor, "b n"],
    kept: Bool[Tensor, "b c r"],
    how: Masking = "mean",
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b c n 3"]:
    """Return every cloud once per coalition, with the points of absent regions moved; shapes stay as they are.

    Args:
        xyz: the clouds.
        region: region of every point, from 0; one that no coalition row has a place for is an index error.
        kept: the coalitions of each cloud.
        how: where absent points go. `mean`: to the mean point of the whole cloud, the same for all coalitions.
            `nearest`: to the nearest kept point, so that nothing is added to the kept shape. `resample`: to kept points
            in turn, or with `generator` to kept points drawn at random; the cloud then is the kept points with repeats.
            Where no point is kept, all three put every point at the mean.
        generator: chance for `resample`, on the device of `xyz`.
    """
    present = kept.gather(2, region.long()[:, None].expand(-1, kept.shape[1], -1))  # (b, c, n)
    centre = xyz.mean(dim=1)[:, None, None]
    if how == "mean":
        return torch.where(present[..., None], xyz[:, None], centre)
    if how == "nearest":
        place = _nearest_kept(xyz, region, kept)
    elif how == "resample":
        place = _kept_in_turn(present, generator)
    else:
        assert_never(how)
    rows = torch.arange(len(xyz), device=xyz.device)[:, None, None]
    return torch.where(present.any(dim=2)[:, :, None, None], xyz[rows, place], centre)


def log_odds(logits: Float[Tensor, "*b k"], label: Int[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Return log(p / (1 - p)) of class `label` in nats, as z_y minus the logsumexp of all other logits.

    p itself is never formed, so the score stays exact where p rounds to 0 or 1.

    Raises:
        ValueError: fewer than two classes.
    """
    if logits.shape[-1] < 2:
        raise ValueError(f"log-odds need at least 2 classes, got {logits.shape[-1]}")
    own = label.long()[..., None]
    others = logits.scatter(-1, own, -torch.inf)
    return logits.gather(-1, own)[..., 0] - others.logsumexp(dim=-1)


def score(logits: Float[Tensor, "*b k"], label: Int[Tensor, "*b"], which: Score = "log_odds") -> Float[Tensor, "*b"]:
    """Return how strongly the logits speak for class `label`: log-odds or log p in nats, or the bare logit."""
    if which == "log_odds":
        return log_odds(logits, label)
    own = label.long()[..., None]
    if which == "log_p":
        return logits.log_softmax(dim=-1).gather(-1, own)[..., 0]
    if which == "logit":
        return logits.gather(-1, own)[..., 0]
    assert_never(which)


def _distinct(centre: Int64[Tensor, "b r"], n: int) -> Int64[Tensor, "b r"]:
    """Replace repeated centres by the first points of the cloud that are none."""
    again = (centre[:, :, None] == centre[:, None]).tril(-1).any(dim=2)
    if not again.any():
        return centre
    centre = centre.clone()
    for cloud in again.any(dim=1).nonzero()[:, 0]:
        free = torch.ones(n, dtype=torch.bool, device=centre.device)
        free[centre[cloud]] = False
        centre[cloud, again[cloud]] = free.nonzero()[: int(again[cloud].sum()), 0]
    return centre


def _nearest_kept(
    xyz: Float[Tensor, "b n 3"], region: Int[Tensor, "b n"], kept: Bool[Tensor, "b c r"]
) -> Int64[Tensor, "b c n"]:
    """Return the nearest point of a kept region to every point; a kept point is at its own place."""
    b, n, _ = xyz.shape
    r = kept.shape[2]
    distance = xyz.new_full((b, n, r), torch.inf)
    place = torch.zeros(b, n, r, dtype=torch.int64, device=xyz.device)
    for cloud in range(b):
        for rows in torch.arange(n, device=xyz.device).split(max(1, BLOCK // n)):
            apart = torch.cdist(xyz[cloud, rows], xyz[cloud], compute_mode="donot_use_mm_for_euclid_dist")
            for k in range(r):
                found = apart.masked_fill(region[cloud] != k, torch.inf).min(dim=1)
                distance[cloud, rows, k], place[cloud, rows, k] = found.values, found.indices
    best = xyz.new_full((b, kept.shape[1], n), torch.inf)
    chosen = torch.zeros(best.shape, dtype=torch.int64, device=xyz.device)
    for k in range(r):
        nearer = kept[:, :, k, None] & (distance[:, None, :, k] < best)
        best = torch.where(nearer, distance[:, None, :, k], best)
        chosen = torch.where(nearer, place[:, None, :, k], chosen)
    return chosen


def _kept_in_turn(present: Bool[Tensor, "b c n"], generator: torch.Generator | None) -> Int64[Tensor, "b c n"]:
    """Return for every point a kept one: itself, or the next in turn (or one drawn at random) for absent points."""
    count = present.sum(dim=2, keepdim=True).clamp_min(1)
    if generator is None:
        rank = (torch.cumsum(~present, dim=2) - 1).clamp_min(0) % count
    else:
        drawn = torch.rand(present.shape, generator=generator, device=present.device)
        rank = (drawn * count).long().minimum(count - 1)
    in_order = torch.argsort((~present).to(torch.uint8), dim=2, stable=True)  # kept points first, in their order
    itself = torch.arange(present.shape[2], device=present.device).expand(present.shape)
    return torch.where(present, itself, in_order.gather(2, rank))
