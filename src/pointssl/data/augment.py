"""Random changes of a batch of clouds, all clouds at once, every random number from a generator that is handed in.

Source: the ranges in use are those of Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", TOG 2019, and
of C. R. Qi et al., "PointNet", CVPR 2017; `none` is the default, because ParAE needs no augmentation. Crops that keep a
neighbourhood are those of multi-crop: M. Caron et al., NeurIPS 2020.
Every function returns a new tensor of the same shape: points that are dropped or cropped away are replaced by copies of
points that stay, which changes nothing for networks that pool by max.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pointssl.data.cloud import Up
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Which random changes are made to every cloud of a training batch; none by default."""

    scale: tuple[float, float] | None = None
    """Range of one factor per cloud, such as 0.8 1.25."""
    axis_scale: tuple[float, float] | None = None
    """Range of one factor per axis of each cloud, such as 0.67 1.5."""
    shift: float = 0.0
    """Largest shift along each axis, in cloud radii."""
    rotation: Literal["none", "up", "full"] = "none"
    """Rotate about the up axis by any angle, or by any rotation at all."""
    up: Up | None = None
    """Axis of the clouds that points up; the data set's own when not given."""
    tilt: float = 0.0
    """Standard deviation of a small turn about each axis, in radians, cut at three of it."""
    jitter: float = 0.0
    """Standard deviation of the noise on every coordinate, in cloud radii."""
    jitter_clip: float = 0.05
    """Largest noise on a coordinate, in cloud radii."""
    dropout: float = 0.0
    """Largest share of points dropped; each cloud draws its own share between 0 and this."""
    crop: float = 0.0
    """Share of points cut away around a random point of the cloud: a hole."""
    region: tuple[float, float] | None = None
    """Range of the share of points kept, those nearest to a random point: a global crop, such as 0.4 1."""
    recentre: bool = False
    """Centre and scale to the unit sphere again after cropping, turning and scaling, before shift and jitter."""

    def __post_init__(self) -> None:
        require_finite(self)
        for name, bounds in (("scale", self.scale), ("axis_scale", self.axis_scale)):
            if bounds is not None and not 0 < bounds[0] <= bounds[1]:
                raise ValueError(f"{name} must be two positive factors, the smaller first, got {bounds}")
        for name, size in (
            ("shift", self.shift),
            ("tilt", self.tilt),
            ("jitter", self.jitter),
            ("jitter_clip", self.jitter_clip),
        ):
            if size < 0:
                raise ValueError(f"{name} must be at least 0, got {size}")
        if self.region is not None and not 0 < self.region[0] <= self.region[1] <= 1:
            raise ValueError(f"region must be two shares above 0 and at most 1, the smaller first, got {self.region}")
        for name, share in (("dropout", self.dropout), ("crop", self.crop)):
            if not 0 <= share < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {share}")

    @property
    def is_none(self) -> bool:
        """True where clouds are left as they are."""
        steps = (self.scale, self.axis_scale, self.shift, self.tilt, self.jitter, self.dropout, self.crop, self.region)
        return self.rotation == "none" and not self.recentre and not any(steps)


def augment(xyz: Float[Tensor, "b n 3"], config: AugmentConfig, draws: Draws) -> Float[Tensor, "b n 3"]:
    """Return changed copies of clouds, which lie on the device of `draws`."""
    if config.region is not None:
        xyz = region(xyz, config.region, draws)
    if config.crop:
        xyz = crop(xyz, config.crop, draws)
    if config.rotation != "none":
        turn = rotations(draws) if config.rotation == "full" else turns(draws, config.up or "y")
        xyz = xyz @ turn.mT
    if config.tilt:
        xyz = xyz @ tilts(draws, config.tilt).mT
    if config.scale is not None:
        xyz = xyz * _between(draws.uniform(1, 1), config.scale)
    if config.axis_scale is not None:
        xyz = xyz * _between(draws.uniform(1, 3), config.axis_scale)
    if config.recentre:
        xyz = recentred(xyz)
    if config.shift:
        xyz = xyz + (2 * draws.uniform(1, 3) - 1) * config.shift
    if config.jitter:
        noise = config.jitter * draws.normal(xyz.shape[1], 3)
        xyz = xyz + noise.clamp(-config.jitter_clip, config.jitter_clip)
    if config.dropout:  # last: the copies that stand in for dropped points must stay copies
        xyz = drop(xyz, config.dropout, draws)
    return xyz


def turns(draws: Draws, up: Up) -> Float[Tensor, "b 3 3"]:
    """Return rotations by any angle about one axis."""
    angle = draws.uniform() * 2 * math.pi
    a, b = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[up]
    matrix = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrix[:, a, a] = matrix[:, b, b] = angle.cos()
    matrix[:, a, b], matrix[:, b, a] = -angle.sin(), angle.sin()
    return matrix


def tilts(draws: Draws, deviation: float) -> Float[Tensor, "b 3 3"]:
    """Return small rotations: normal angles about x, y and z, one after the other, cut at three deviations."""
    angle = (deviation * draws.normal(3)).clamp(-3 * deviation, 3 * deviation)
    turn = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        about = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
        about[:, a, a] = about[:, b, b] = angle[:, axis].cos()
        about[:, a, b], about[:, b, a] = -angle[:, axis].sin(), angle[:, axis].sin()
        turn = about @ turn
    return turn


def rotations(draws: Draws) -> Float[Tensor, "b 3 3"]:
    """Return rotations that are uniform over all rotations: those of random unit quaternions."""
    w, x, y, z = torch.nn.functional.normalize(draws.normal(4), dim=-1).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def drop(xyz: Float[Tensor, "b n 3"], largest: float, draws: Draws) -> Float[Tensor, "b n 3"]:
    """Replace a random share of the points of each cloud, at most `largest`, by one point that stays."""
    share = draws.uniform(1) * largest
    return _keep(xyz, draws.uniform(xyz.shape[1]) >= share)


def crop(xyz: Float[Tensor, "b n 3"], share: float, draws: Draws) -> Float[Tensor, "b n 3"]:
    """Replace the `share` of points nearest to a random point of each cloud by one point that stays."""
    gone = nearest_to_one(xyz, int(share * xyz.shape[1]), draws)
    return _keep(xyz, torch.ones_like(xyz[..., 0], dtype=torch.bool).scatter(1, gone, value=False))


def region(xyz: Float[Tensor, "b n 3"], shares: tuple[float, float], draws: Draws) -> Float[Tensor, "b n 3"]:
    """Keep a share of the points of each cloud, drawn between `shares`: those nearest to a random point of it."""
    points = xyz.shape[1]
    order = nearest_to_one(xyz, points, draws)
    kept = _between(draws.uniform(1, 1), shares)[..., 0] * points
    rank = torch.arange(points, device=xyz.device)
    return _keep(xyz, torch.zeros_like(order, dtype=torch.bool).scatter(1, order, rank < kept))


def neighbourhood(xyz: Float[Tensor, "b n 3"], count: int, draws: Draws) -> Float[Tensor, "b m 3"]:
    """Return the `count` points nearest to a random point of each cloud: a local crop."""
    return xyz.gather(1, nearest_to_one(xyz, count, draws)[..., None].expand(-1, -1, 3))


def local_crop(
    xyz: Float[Tensor, "b n 3"], share: float, least: int, config: AugmentConfig, draws: Draws
) -> Float[Tensor, "b m 3"]:
    """Return one changed neighbourhood of every cloud, of no fewer points than `least`, spared `crop` and `region`."""
    size = min(xyz.shape[1], max(least, round(share * xyz.shape[1])))
    return augment(neighbourhood(xyz, size, draws), replace(config, crop=0.0, region=None), draws)


def recentred(xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Centre clouds to their mean and scale their farthest point to radius 1; equal points all become 0."""
    centred = xyz - xyz.mean(dim=1, keepdim=True)
    radius = centred.square().sum(dim=-1).amax(dim=1).sqrt()
    return centred / radius.clamp_min(torch.finfo(xyz.dtype).tiny)[:, None, None]


def nearest_to_one(xyz: Float[Tensor, "b n 3"], count: int, draws: Draws) -> Int[Tensor, "b m"]:
    """Return the places of the `count` points nearest to a random point of each cloud, nearest first."""
    centre = (draws.uniform() * xyz.shape[1]).long().clamp_max(xyz.shape[1] - 1)
    distance = (xyz - xyz[torch.arange(len(xyz)), centre][:, None]).square().sum(dim=-1)
    return distance.topk(count, dim=1, largest=False).indices


def _keep(xyz: Float[Tensor, "b n 3"], kept: Bool[Tensor, "b n"]) -> Float[Tensor, "b n 3"]:
    """Put the first kept point of each cloud in the place of all that are not kept; the last point, where none is."""
    stand_in = torch.where(kept.any(dim=1), kept.int().argmax(dim=1), xyz.shape[1] - 1)
    return torch.where(kept[..., None], xyz, xyz[torch.arange(len(xyz)), stand_in][:, None])


def _between(uniform: Float[Tensor, "b 1 c"], bounds: tuple[float, float]) -> Float[Tensor, "b 1 c"]:
    return bounds[0] + uniform * (bounds[1] - bounds[0])
