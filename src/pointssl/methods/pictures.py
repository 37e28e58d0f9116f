"""The pictures that methods contrast clouds with: those that the batch brings, or drawn from its points on the spot."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.data.cloud import Up
from pointssl.data.views.augment import CHANNELS, Kind
from pointssl.ops.batch_rng import Draws
from pointssl.ops.render.splat import render_clouds
from pointssl.settings import require_finite
from pointssl.types import CloudBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureConfig:
    """What the pictures show, and how they are drawn where the data brings none."""

    kind: Kind = "shaded"
    """color, shaded, depth or normal; pictures from the disk must be of this kind, drawn ones cannot be color."""
    size: int = 64
    """Pixels along a side of drawn pictures; those from the disk keep their size."""
    up: Up | None = None
    """Axis of the clouds that points up; the data set's own when not given."""
    elevation: tuple[float, float] = (15.0, 45.0)
    """Range of the cameras' heights over the horizon, in degrees; around the up axis they stand anywhere."""
    distance: float = 2.0
    """Of the cameras from the centre, in cloud radii."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.size < 16:
            raise ValueError(f"size must be at least 16 pixels, got {self.size}")
        if not -90 <= self.elevation[0] <= self.elevation[1] <= 90:
            raise ValueError(f"elevation must be two heights of -90 to 90 degrees, got {self.elevation}")
        if self.distance <= 1:
            raise ValueError(f"distance must be above 1, outside of the shape, got {self.distance}")


def pictures(batch: CloudBatch, count: int, config: PictureConfig, draws: Draws) -> Float[Tensor, "b v c h w"]:
    """Return `count` pictures of every cloud, in [0, 1].

    Raises ValueError where the batch brings too few, or pictures that cannot be of the configured kind.
    """
    if batch.views is None:
        if config.kind == "color":
            raise ValueError("pictures.kind is color, but points have no colours to draw: give the data rendered views")
        return render_clouds(
            batch.xyz,
            count,
            config.size,
            draws,
            channels=config.kind,
            up=config.up or "y",
            elevation=config.elevation,
            distance=config.distance,
        )
    brought, channels = batch.views.shape[1:3]
    if brought < count:
        raise ValueError(f"views must be at most those that the data brings, {brought} per cloud, got {count}")
    if channels != CHANNELS[config.kind]:
        raise ValueError(f"pictures.kind is {config.kind}, of {CHANNELS[config.kind]} channels, got {channels}")
    return batch.views[:, :count].to(torch.float32) / 255
