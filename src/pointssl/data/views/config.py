"""How views are rendered: what they show, how large, and from where."""

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pointssl.data.cloud import Up
from pointssl.settings import require_finite

if TYPE_CHECKING:  # settings are also read for the help of the command line, which must be fast
    from pointssl.ops.render.cameras import Cameras


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """Settings of rendered views; 24 around each object, as the renderings that cross-modal methods were tried on."""

    kind: Literal["shaded", "depth", "normal"] = "shaded"
    """What pixels show: Lambert shading on white, depth (near is bright), or normals in the camera's frame."""
    views: int = 24
    """Pictures of every object."""
    size: int = 96
    """Pixels along a side."""
    cameras: Literal["ring", "random", "sphere"] = "ring"
    """ring: equal steps around the up axis, the same for all; random: anywhere on it; sphere: from all sides."""
    elevation: tuple[float, ...] = (30.0,)
    """Heights of the cameras in degrees: taken in turn on a ring; the lowest and highest of random ones."""
    distance: float = 2.0
    """Of the cameras from the centre, in object radii."""
    up: Up | None = None
    """Axis of the objects that points up; the data set's own when not given."""
    projection: Literal["perspective", "orthographic"] = "perspective"
    """perspective is a pinhole camera; orthographic has parallel rays."""
    smooth: bool = False
    """Blend the normals of triangles that meet at less than 60 degrees; meshes only."""
    points: int = 4096
    """Most points of a cloud that are painted, drawn at random; clouds only."""
    radius: int | None = None
    """Pixels from the middle of a point's disc to its rim; by default as many as close the surface; clouds only."""
    seed: int = 0
    """Decides where random cameras stand and which points are drawn."""

    def __post_init__(self) -> None:
        require_finite(self)
        for name, value, least in (("views", self.views, 1), ("size", self.size, 8), ("points", self.points, 3)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if not self.elevation or not all(-90 <= height <= 90 for height in self.elevation):
            raise ValueError(f"elevation must be heights of -90 to 90 degrees, got {self.elevation}")
        if self.distance <= 1:
            raise ValueError(f"distance must be above 1, outside of the object, got {self.distance}")
        if self.radius is not None and self.radius < 0:
            raise ValueError(f"radius must be at least 0 pixels, got {self.radius}")

    @property
    def channels(self) -> int:
        """Channels of a picture."""
        return 3 if self.kind == "normal" else 1


def cameras_of(config: ViewConfig, name: str) -> "Cameras":
    """Return the cameras (b = 1) of the object called `name`: a function of the settings and the name alone."""
    import torch

    from pointssl.ops.batch_rng import Draws
    from pointssl.ops.render.cameras import random_cameras, ring

    if config.cameras == "ring":
        return ring(config.views, config.elevation, config.distance, config.up or "y", projection=config.projection)
    generator = torch.Generator().manual_seed((config.seed << 32) + zlib.crc32(name.encode()))
    return random_cameras(
        Draws(generator, 1),
        config.views,
        elevation=(min(config.elevation), max(config.elevation)),
        distance=config.distance,
        up=config.up or "y",
        around="sphere" if config.cameras == "sphere" else "ring",
        projection=config.projection,
    )
