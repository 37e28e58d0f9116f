"""Cameras around shapes: where they stand, what they look at, and where a point lands in their pictures.

Conventions, the same for every renderer. The frame of a camera is right-handed: right, top, and back towards the eye.
Depth is the distance along the viewing axis, not along the ray. Pictures are square; row 0 is at the top, and the
centre of pixel (row, column) of `size` lies at (2 column + 1) / size - 1 to the right and 1 - (2 row + 1) / size to the
top, in units of `extent`. `extent` is half the side of what the picture shows at the distance of the target, for
pinhole and orthographic cameras alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.ops.batch_rng import Draws

Axis = Literal["x", "y", "z"]
Projection = Literal["perspective", "orthographic"]

MARGIN = 1.05
"""A picture shows this many times the unit sphere, so that no shape touches its border."""


@dataclass(frozen=True)
class Cameras:
    """Cameras per cloud; one cloud's cameras serve a whole batch where b is 1."""

    eye: Float[Tensor, "b v 3"]
    target: Float[Tensor, "b v 3"]
    up: Float[Tensor, "b v 3"]
    """Shown as the top of the picture as far as the viewing direction allows; any length but zero."""
    extent: float = MARGIN
    projection: Projection = "perspective"

    def __post_init__(self) -> None:
        if self.extent <= 0:
            raise ValueError(f"extent must be above 0, got {self.extent}")

    def __len__(self) -> int:
        """Views of each cloud."""
        return self.eye.shape[1]

    def to(self, device: torch.device | str) -> "Cameras":
        """Return the same cameras on `device`."""
        eye, target, up = (part.to(device) for part in (self.eye, self.target, self.up))
        return Cameras(eye, target, up, self.extent, self.projection)


class Projected(NamedTuple):
    """Where points land: coordinates in [-1, 1] inside the picture, and depth, positive before the camera."""

    right: Float[Tensor, "b v n"]
    top: Float[Tensor, "b v n"]
    depth: Float[Tensor, "b v n"]


class Rays(NamedTuple):
    """One ray per pixel; a step of 1 along `direction` is a step of 1 in depth."""

    origin: Float[Tensor, "b v h w 3"]
    direction: Float[Tensor, "b v h w 3"]


def fit(distance: float, projection: Projection) -> float:
    """Return the extent that shows the unit sphere from `distance` radii with a small margin.

    The outline of a sphere seen from d is tangent to the rays: tan(asin(1 / d)) = 1 / sqrt(d² - 1) on the unit plane.
    """
    if projection == "orthographic":
        return MARGIN
    return MARGIN * distance / math.sqrt(distance**2 - 1)


def ring(
    views: int,
    elevation: float | Sequence[float] = 30.0,
    distance: float = 2.0,
    up: Axis = "y",
    *,
    start: float = 0.0,
    projection: Projection = "perspective",
) -> Cameras:
    """Return `views` cameras at equal angles around the origin, the same for every cloud (b is 1).

    Args:
        views: cameras on the ring.
        elevation: degrees above the horizon; of several, the cameras take the first, the second and so on in turn.
        distance: of the eyes from the origin, in radii; above 1.
        up: axis that is up in the data.
        start: azimuth of the first camera in degrees.
        projection: pinhole (`perspective`) or `orthographic`.

    Raises:
        ValueError: no views, an elevation of more than 90 degrees, or a distance inside the unit sphere.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1, got {views}")
    heights = [elevation] if isinstance(elevation, int | float) else list(elevation)
    azimuth = start + 360 * torch.arange(views) / views
    height = torch.tensor([heights[view % len(heights)] for view in range(views)])
    return _looking_in(azimuth[None], height[None], distance, up, projection)


def random_cameras(
    draws: Draws,
    views: int,
    *,
    elevation: tuple[float, float] = (15.0, 45.0),
    distance: float = 2.0,
    up: Axis = "y",
    around: Literal["ring", "sphere"] = "ring",
    projection: Projection = "perspective",
) -> Cameras:
    """Return `views` cameras of its own for every cloud of `draws`.

    On a `ring` each view draws its azimuth from its own sector of 360 / views degrees, behind a random start, so that
    the views of a cloud are distinct; elevations are uniform in the given degrees. On a `sphere` all directions are
    equally likely and independent, and `elevation` is not used. Sectors and ranges are our choice.
    """
    if views < 1:
        raise ValueError(f"views must be at least 1, got {views}")
    low, high = (-90.0, 90.0) if around == "sphere" else elevation
    start, within, height = draws.uniform(1), draws.uniform(views), draws.uniform(views)
    if around == "sphere":
        height = torch.rad2deg(torch.asin(2 * height - 1))  # heights of equal areas, Archimedes
        azimuth = 360 * within
    else:
        height = low + (high - low) * height
        azimuth = 360 * (start + (torch.arange(views, device=within.device) + within) / views)
    return _looking_in(azimuth, height, distance, up, projection, bounds=(low, high))


def axes(cameras: Cameras) -> Float[Tensor, "b v 3 3"]:
    """Return the frames of cameras; rows are right, top, and back (from the target to the eye), all of length 1."""
    back = torch.nn.functional.normalize(cameras.eye - cameras.target, dim=-1)
    up = torch.nn.functional.normalize(cameras.up, dim=-1)
    # Seen from straight above there is no top; the coordinate axis farthest from the viewing direction stands in.
    stand_in = torch.nn.functional.one_hot(back.abs().argmin(dim=-1), 3).to(back)
    level = torch.linalg.cross(up, back).norm(dim=-1, keepdim=True) < 1e-4
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.where(level, stand_in, up), back), dim=-1)
    return torch.stack([right, torch.linalg.cross(back, right), back], dim=-2)


def project(xyz: Float[Tensor, "b n 3"], cameras: Cameras) -> Projected:
    """Return where points land in every view; what lies outside [-1, 1] or at no positive depth is not in the picture.

    Computed in float32 whatever the autocast says: depths in half precision have steps of a hundredth of a radius.
    """
    frame = axes(cameras)
    b, v = max(len(xyz), len(frame)), frame.shape[1]
    with torch.autocast(xyz.device.type, enabled=False):
        # One product per cloud: (3 v, 3) · (3, n); the eyes are taken off afterwards.
        seen = frame.reshape(len(frame), 3 * v, 3).expand(b, -1, -1) @ xyz.float().mT.expand(b, -1, -1)
    seen = seen.view(b, v, 3, -1) - (frame * cameras.eye[..., None, :]).sum(dim=-1)[..., None]
    right, top, depth = seen[:, :, 0], seen[:, :, 1], -seen[:, :, 2]
    half = _half(cameras, depth)
    return Projected(right / half, top / half, depth)


def rays(cameras: Cameras, size: int) -> Rays:
    """Return the rays through the centres of all pixels of pictures of `size` a side."""
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    right, top, back = axes(cameras)[:, :, :, None, None].unbind(dim=2)  # each (b, v, 1, 1, 3)
    place = (2 * torch.arange(size, device=back.device) + 1) / size - 1
    across, aloft = place[None, :, None], -place[:, None, None]
    eye = cameras.eye[:, :, None, None]
    if cameras.projection == "orthographic":
        origin = eye + cameras.extent * (across * right + aloft * top)
        return Rays(origin, (-back).expand_as(origin))
    slope = cameras.extent / (cameras.eye - cameras.target).norm(dim=-1)[:, :, None, None, None]
    direction = slope * (across * right + aloft * top) - back
    return Rays(eye.expand_as(direction), direction)


def _half(cameras: Cameras, depth: Float[Tensor, "b v n"]) -> Float[Tensor, "b v n"]:
    """Half the side of what the picture shows, at each depth."""
    if cameras.projection == "orthographic":
        return torch.full_like(depth, cameras.extent)
    distance: Tensor = (cameras.eye - cameras.target).norm(dim=-1, keepdim=True)
    return depth * (cameras.extent / distance)


def _looking_in(
    azimuth: Float[Tensor, "b v"],
    elevation: Float[Tensor, "b v"],
    distance: float,
    up: Axis,
    projection: Projection,
    bounds: tuple[float, float] | None = None,
) -> Cameras:
    """Place cameras by their angles (degrees), looking at the origin."""
    low, high = bounds or (float(elevation.min()), float(elevation.max()))
    if not -90 <= low <= high <= 90:
        raise ValueError(f"elevation must be within -90 to 90 degrees, the lower first, got {low} to {high}")
    if distance <= 1:
        raise ValueError(f"distance must be above 1 radius, outside the shape, got {distance}")
    a, h = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    place = "xyz".index(up)
    flat = {place: h.sin(), (place + 1) % 3: h.cos() * a.cos(), (place + 2) % 3: h.cos() * a.sin()}
    eye = distance * torch.stack([flat[axis] for axis in range(3)], dim=-1).float()
    top = torch.zeros_like(eye)
    top[..., place] = 1
    return Cameras(eye, torch.zeros_like(eye), top, fit(distance, projection), projection)
