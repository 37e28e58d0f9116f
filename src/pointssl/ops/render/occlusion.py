"""Which points of a cloud does a camera see, when the cloud hides itself?

A depth map of the points' discs says how far the nearest surface is behind each pixel; a point is seen where it lies no
farther than that. Sparse clouds let some light through: the discs are what closes their surface.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pointssl.ops.batch_rng import Draws
from pointssl.ops.render.cameras import Cameras, project
from pointssl.ops.render.splat import splat


def visible(
    xyz: Float[Tensor, "b n 3"], cameras: Cameras, size: int, tolerance: float, radius: int | None = None
) -> Bool[Tensor, "b v n"]:
    """Return whether each camera sees each point.

    `size` is the side of the depth map in pixels. `tolerance` is how far behind the nearest disc a point is still seen,
    in units of the cloud: a disc is flat, so that slopes need some of it. `radius` is that of the discs in pixels, by
    default wide enough to leave few holes between points that are spread over a sphere.
    """
    seen = project(xyz, cameras)
    depth = splat(xyz, cameras, size, math.ceil(2 * size / math.sqrt(xyz.shape[1])) if radius is None else radius).depth
    column, row = ((seen.right + 1) * (size / 2)).floor().long(), ((1 - seen.top) * (size / 2)).floor().long()
    inside = (seen.depth > 0) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    cell = torch.where(inside, row * size + column, 0)
    return inside & (seen.depth <= depth.flatten(2).gather(2, cell) + tolerance)


def keep_seen(
    xyz: Float[Tensor, "b n 3"], seen: Bool[Tensor, "b n"], count: int, draws: Draws
) -> Float[Tensor, "b m 3"]:
    """Return `count` seen points of every cloud, in random order; where fewer are seen they come again in turn.

    A cloud of which nothing is seen is taken whole.
    """
    seen = seen | ~seen.any(dim=1, keepdim=True)
    first = torch.where(seen, draws.uniform(xyz.shape[1]).to(xyz.device), 2.0).argsort(dim=1)
    place = torch.arange(count, device=xyz.device) % seen.sum(dim=1, keepdim=True)
    return xyz.gather(1, first.gather(1, place)[..., None].expand(-1, -1, 3))
