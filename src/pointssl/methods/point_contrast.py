"""PointContrast: a point must find itself in another crop of its cloud, among points of all clouds of the batch.

Source: S. Xie, J. Gu, D. Guo, C. R. Qi, L. Guibas, O. Litany, "PointContrast: Unsupervised Pre-training for 3D Point
Cloud Understanding", ECCV 2020. Differs: two crops of one cloud, whose correspondences are known, in place of two
frames of a scan; any encoder of ours in place of a sparse U-Net (docs/methods/point-contrast.md).
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.heads import PointHead
from pointssl.data.augment import AugmentConfig, augment, nearest_to_one
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.ops import contrastive
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class PointContrastConfig(MethodConfig):
    """Settings of the contrast of points."""

    share: float = 0.65
    """Share of the points in each of the two crops; they have at least 2 · share - 1 of all points in common."""
    pairs: int = 128
    """Points of each cloud that are compared; fewer, where the crops have fewer in common."""
    dim: int = 32
    """Width of the space in which points are compared."""
    head: tuple[int, ...] = (256,)
    """Widths of the layers between the features of a point and of its cloud and that space."""
    temperature: float = 0.07
    """Softmax temperature: cosines are divided by it."""
    augment: AugmentConfig = field(default_factory=lambda: AugmentConfig(rotation="up", scale=(0.8, 1.2), jitter=0.01))
    """Random changes of the two crops, each drawn on its own; none that drops or moves points to others' places."""

    def __post_init__(self) -> None:
        require_finite(self)
        if not 0.5 < self.share <= 1:
            raise ValueError(
                f"share must be above 0.5, so that crops have points in common, and at most 1, got {self.share}"
            )
        if self.pairs < 1 or self.dim < 1:
            raise ValueError(f"pairs and dim must be at least 1, got {self.pairs} and {self.dim}")
        if not self.head or min(self.head) < 1:
            raise ValueError(f"head must be positive widths, at least one, got {self.head}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        changes = self.augment
        if changes.dropout or changes.crop or changes.region is not None:
            raise ValueError(
                "augment must be without dropout, crop and region, which put points in the place of others; use share"
            )


@final
class PointContrast(PretextMethod):
    """The loss is InfoNCE over matched points, in nats."""

    figures: ClassVar = (Figure("found", "Points that find themselves", "share of compared points"),)

    def __init__(self, backbone: Backbone, config: PointContrastConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.min_points = least_points(config.share, max(2, backbone.min_points))
        self.head = PointHead(backbone.point_dim, backbone.pooled_dim, config.dim, config.head)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch."""
        config = self.config
        draws = Draws.of_process(generator, len(batch.xyz))
        size = math.ceil(config.share * batch.xyz.shape[1])  # above half, so that any two have one in common
        crops = [nearest_to_one(batch.xyz, size, draws) for _ in range(2)]
        seen = torch.cat([augment(_rows(batch.xyz, crop), config.augment, draws) for crop in crops])
        one, two = self.head(self.backbone(seen)).chunk(2)
        first, second = matches(crops[0], crops[1], batch.xyz.shape[1], config.pairs, draws)
        anchor, partner = _rows(one, first).flatten(0, 1), _rows(two, second).flatten(0, 1)
        loss = contrastive.info_nce(anchor, partner, config.temperature, intra_modal_negatives=False).mean()
        with torch.no_grad():
            best = (contrastive.unit(anchor) @ contrastive.unit(partner).mT).argmax(dim=1)
            found = (best == torch.arange(len(best), device=best.device)).float().mean()
        return StepOutput(loss=loss, logs={"found": found})


def matches(
    one: Int64[Tensor, "b m"], two: Int64[Tensor, "b m"], points: int, pairs: int, draws: Draws
) -> tuple[Int64[Tensor, "b p"], Int64[Tensor, "b p"]]:
    """Return where random points that two crops have in common stand in the first, and in the second.

    `one` and `two` are places in clouds of `points`; equally many pairs of every cloud, at most `pairs`.
    """
    rank = torch.arange(one.shape[1], device=one.device).expand_as(one)
    places = [torch.full((len(one), points), -1, device=one.device).scatter(1, crop, rank) for crop in (one, two)]
    both = (places[0] >= 0) & (places[1] >= 0)
    order = torch.where(both, draws.uniform(points).to(one.device), 2.0).argsort(dim=1)
    chosen = order[:, : min(pairs, int(both.sum(dim=1).amin()))]
    return places[0].gather(1, chosen), places[1].gather(1, chosen)


def least_points(share: float, needed: int) -> int:
    """Return the fewest points of which a crop has `needed`."""
    return next(points for points in range(needed, 2 * needed + 1) if math.ceil(share * points) >= needed)


def _rows(x: Float[Tensor, "b n d"], places: Int64[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))
