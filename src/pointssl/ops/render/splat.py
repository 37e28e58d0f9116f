"""Pictures of point clouds: every point paints a small disc, and each pixel keeps the nearest one.

Depth and the number of the winning point come out of one pass: both are packed into an integer whose order is that of
the depth, and each pixel keeps the smallest. So normals, colours or part labels of a picture are a lookup by point.
"""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pointssl.ops.batch_rng import Draws
from pointssl.ops.render.cameras import Axis, Cameras, Projection, axes, project, random_cameras
from pointssl.ops.render.shading import estimated_normals, lambert

Channels = Literal["depth", "shaded", "normal"]

EMPTY = 2**63 - 1
"""Key of a pixel that nothing was painted into; smaller values would be keys of depths of 2 and more."""
NEAREST = 0.1
"""In pictures of depth the background is 0 and the far side of the unit sphere this, so that both can be told apart."""


class Splats(NamedTuple):
    """What each pixel sees: the depth of the nearest point (infinity for none) and its number (-1 for none)."""

    depth: Float[Tensor, "b v h w"]
    point: Int64[Tensor, "b v h w"]


def splat(xyz: Float[Tensor, "b n 3"], cameras: Cameras, size: int, radius: int = 1) -> Splats:
    """Return depth and point numbers of pictures of `size` pixels a side, every point a disc of `radius` pixels.

    A disc with radius 0 is the one pixel that a point falls into. Points behind a camera or outside its picture paint
    nothing, also where their disc would reach in; of points at one depth the first wins. Not differentiable.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if radius < 0:
        raise ValueError(f"radius must be at least 0 pixels, got {radius}")
    seen = project(xyz.detach(), cameras)
    b, v, n = seen.depth.shape
    column = ((seen.right + 1) * (size / 2)).floor()
    row = ((1 - seen.top) * (size / 2)).floor()
    inside = (seen.depth > 0) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    # Bits of positive floats are ordered like the floats; the border of `radius` spares the discs all tests of bounds.
    key = (seen.depth.view(torch.int32).to(torch.int64) << 32) | torch.arange(n, device=xyz.device)
    key = torch.where(inside, key, EMPTY)
    wide = size + 2 * radius
    cell = torch.where(inside, (row + radius) * wide + (column + radius), radius * (wide + 1)).to(torch.int64)
    discs = (cell[:, :, None] + _disc(radius, wide, xyz.device)[:, None]).view(b * v, -1)
    keys = key[:, :, None].expand(-1, -1, discs.shape[1] // n, -1).reshape(b * v, -1)
    canvas = torch.full((b * v, wide * wide), EMPTY, device=xyz.device)
    canvas.scatter_reduce_(1, discs, keys, "amin")
    won = canvas.view(b, v, wide, wide)[:, :, radius : radius + size, radius : radius + size]
    empty = won == EMPTY
    depth = (won >> 32).to(torch.int32).view(torch.float32).masked_fill(empty, torch.inf)
    return Splats(depth, (won & 0xFFFFFFFF).masked_fill(empty, -1))


def render_clouds(
    xyz: Float[Tensor, "b n 3"],
    views: int,
    size: int,
    draws: Draws,
    *,
    channels: Channels = "depth",
    up: Axis = "y",
    elevation: tuple[float, float] = (15.0, 45.0),
    distance: float = 2.0,
    radius: int | None = None,
    around: Literal["ring", "sphere"] = "ring",
    projection: Projection = "perspective",
) -> Float[Tensor, "b v c h w"]:
    """Return pictures of each cloud from random sides of its own, in [0, 1]: what a method asks for while it trains.

    Clouds are centred and scaled to radius 1 first. `depth` and `shaded` have one channel, `normal` three; what they
    hold stands at `picture`. `radius` is that of the discs in pixels, by default `disc_radius`. Random numbers
    come from `draws`, the rest of the arguments goes to `random_cameras`.
    """
    centred = xyz.detach().float()
    centred = centred - (centred.amax(dim=1, keepdim=True) + centred.amin(dim=1, keepdim=True)) / 2
    unit = centred / centred.norm(dim=-1).amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny)[:, None, None]
    cameras = random_cameras(
        draws, views, elevation=elevation, distance=distance, up=up, around=around, projection=projection
    ).to(xyz.device)
    splats = splat(unit, cameras, size, disc_radius(size, xyz.shape[1]) if radius is None else radius)
    normals = None if channels == "depth" else estimated_normals(unit)
    return picture(splats, cameras, normals, channels)


def disc_radius(size: int, points: int) -> int:
    """Return the default radius of discs in pixels: 2 for 1,024 points at 64 pixels, which closes most holes."""
    return max(1, round(size / math.sqrt(points)))


def picture(
    splats: Splats, cameras: Cameras, normals: Float[Tensor, "b n 3"] | None, channels: Channels
) -> Float[Tensor, "b v c h w"]:
    """Return what pixels show, in [0, 1].

    `depth` falls from 1, a radius before the target, to 0.1, a radius behind it; the background is 0. `shaded` is the
    Lambert shading of `normals`, on white. `normal` are these in the camera's frame (right, top, towards the eye),
    turned towards the eye and moved from [-1, 1] to [0, 1]; the background is the zero vector, 0.5.
    """
    if channels == "depth":
        return depth_picture(splats.depth, cameras)[:, :, None]
    if normals is None:
        raise ValueError(f"normals must be given for channels '{channels}', got None")
    seen = shown_normals(splats, cameras, normals)
    if channels == "shaded":
        return lambert(seen, splats.point >= 0)[:, :, None]
    return (0.5 + 0.5 * seen).movedim(-1, 2)


def depth_picture(depth: Float[Tensor, "b v h w"], cameras: Cameras) -> Float[Tensor, "b v h w"]:
    """Return depths as brightness: near is 1, far 0.1, nothing 0; one radius before and behind the target."""
    distance = (cameras.eye - cameras.target).norm(dim=-1)[..., None, None]
    near = ((distance + 1 - depth) / 2).clamp(0, 1)
    return torch.where(depth.isinf(), 0.0, NEAREST + (1 - NEAREST) * near)


def shade(
    xyz: Float[Tensor, "b n 3"],
    splats: Splats,
    cameras: Cameras,
    normals: Float[Tensor, "b n 3"] | None = None,
    neighbours: int = 12,
) -> Float[Tensor, "b v h w"]:
    """Return the Lambert shading of splatted clouds, on white; normals are estimated where none are given."""
    if normals is None:
        normals = estimated_normals(xyz, neighbours)
    return lambert(shown_normals(splats, cameras, normals), splats.point >= 0)


def shown_normals(splats: Splats, cameras: Cameras, normals: Float[Tensor, "b n 3"]) -> Float[Tensor, "b v h w 3"]:
    """Return the normals that pixels see, in the camera's frame and towards the eye; zero where there is nothing.

    Whether a normal points in or out is therefore of no matter.
    """
    b, v, h, w = splats.point.shape
    with torch.autocast(normals.device.type, enabled=False):
        frame = axes(cameras)
        turned = normals.float()[:, None] @ frame.mT.expand(b, -1, -1, -1)  # (b, v, n, 3)
    turned = torch.where(turned[..., 2:] < 0, -turned, turned)
    turned = torch.cat([turned, torch.zeros_like(turned[:, :, :1])], dim=2)  # the row of point -1
    point = torch.where(splats.point < 0, turned.shape[2] - 1, splats.point).view(b, v, h * w, 1)
    return turned.gather(2, point.expand(-1, -1, -1, 3)).view(b, v, h, w, 3)


def _disc(radius: int, wide: int, device: torch.device) -> Int64[Tensor, " o"]:
    """Return the offsets of a disc's pixels in a picture with rows of `wide`."""
    step = torch.arange(-radius, radius + 1, device=device)
    row, column = torch.meshgrid(step, step, indexing="ij")
    within = row.square() + column.square() <= radius**2
    return (row * wide + column)[within]
