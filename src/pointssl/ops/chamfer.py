"""How far are two clouds from each other? The nearest point of the other cloud, for every point, both ways.

Which point is nearest is found without gradients, small clouds side by side and large ones in parts; the distance is
then taken from the difference itself, so that no digits cancel, and its gradient at coincident points is 0, not NaN.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pointssl.ops.kernels import grouping

BLOCK = 1 << 22
"""Most distances held at once."""
MANY = 128
"""Clouds of which so many fit into that room are compared side by side."""


class Chamfer(NamedTuple):
    """Mean distance to the nearest point of the other cloud, for each cloud of the batch."""

    forward: Float[Tensor, "b"]
    """From the first cloud to the second."""
    backward: Float[Tensor, "b"]


def chamfer(one: Float[Tensor, "b n 3"], two: Float[Tensor, "b m 3"], *, squared: bool = False) -> Chamfer:
    """Return the mean nearest distances of both directions, in float32; differentiable in both clouds."""
    with torch.autocast(one.device.type, enabled=False):
        one, two = one.float(), two.float()
        there, back = nearest_across(one, two)
        return Chamfer(_mean_distance(one, two, there, squared), _mean_distance(two, one, back, squared))


def nearest_distance(query: Float[Tensor, "b q 3"], cloud: Float[Tensor, "b n 3"]) -> Float[Tensor, "b q"]:
    """Return how far each place is from the nearest point of its cloud; differentiable in both."""
    nearest = grouping.group(cloud, grouping.ball(cloud, query, 1)).squeeze(2)
    return safe_sqrt((query - nearest).square().sum(dim=-1))


@torch.no_grad()
def nearest_across(
    one: Float[Tensor, "b n 3"], two: Float[Tensor, "b m 3"]
) -> tuple[Int64[Tensor, "b n"], Int64[Tensor, "b m"]]:
    """Return the place of the nearest point of the other cloud: for every point of `one`, and of `two`."""
    if MANY * one.shape[1] * two.shape[1] <= BLOCK:
        return _side_by_side(one, two)
    rows = max(1, BLOCK // two.shape[1])
    there = torch.empty(one.shape[:2], dtype=torch.int64, device=one.device)
    back = torch.empty(two.shape[:2], dtype=torch.int64, device=one.device)
    middle = two.mean(dim=1, keepdim=True)  # far from the origin the squares would eat the digits
    for cloud, (a, b) in enumerate(zip(one - middle, two - middle, strict=True)):
        best = torch.full((len(b),), torch.inf, device=b.device)
        for row in range(0, len(a), rows):
            part = a[row : row + rows]
            distance = torch.addmm(b.square().sum(dim=1)[None], part, b.mT, alpha=-2)
            there[cloud, row : row + rows] = distance.argmin(dim=1)
            least, place = (distance + part.square().sum(dim=1)[:, None]).min(dim=0)
            back[cloud] = torch.where(least < best, place + row, back[cloud] if row else 0)
            best = torch.minimum(least, best)
    return there, back


def _side_by_side(
    one: Float[Tensor, "b n 3"], two: Float[Tensor, "b m 3"]
) -> tuple[Int64[Tensor, "b n"], Int64[Tensor, "b m"]]:
    """Return the same for clouds of which several fit into the room at once, such as patches."""
    clouds = BLOCK // (one.shape[1] * two.shape[1])
    there, back = [], []
    for a, b in zip(one.split(clouds), two.split(clouds), strict=True):
        distance = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
        there.append(distance.argmin(dim=2))
        back.append(distance.argmin(dim=1))
    return torch.cat(there), torch.cat(back)


def _mean_distance(
    here: Float[Tensor, "b n 3"], there: Float[Tensor, "b m 3"], place: Int64[Tensor, "b n"], squared: bool
) -> Float[Tensor, "b"]:
    square = (here - there.gather(1, place[..., None].expand(-1, -1, 3))).square().sum(dim=-1)
    return (square if squared else safe_sqrt(square)).mean(dim=1)


def safe_sqrt(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Return the square root, whose gradient at 0 is 0."""
    return x.clamp_min(torch.finfo(x.dtype).tiny).sqrt() * (x > 0)
