"""Jigsaw3D: a cloud is cut into voxels and put together wrongly; each point must say which voxel it came from.

Source: J. Sauder, B. Sievers, "Self-Supervised Deep Learning on Point Clouds by Reconstructing Space", NeurIPS 2019.
The permutation is drawn anew in every step (docs/methods/jigsaw.md).
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.heads import PointHead
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class JigsawConfig(MethodConfig):
    """Settings of the jigsaw."""

    pieces: int = 3
    """Voxels along each axis; their cube is the number of classes."""
    head: tuple[int, ...] = (512, 256, 128)
    """Widths of the layers between the features and the logits."""

    def __post_init__(self) -> None:
        if self.pieces < 2:
            raise ValueError(f"pieces must be at least 2 along each axis, got {self.pieces}")
        if not self.head or min(self.head) < 1:
            raise ValueError(f"head must be positive widths, at least one, got {self.head}")


@final
class Jigsaw(PretextMethod):
    """The loss is the mean cross-entropy per point, in nats."""

    figures: ClassVar = (Figure("accuracy", "Points put back", "share of points"),)

    def __init__(self, backbone: Backbone, config: JigsawConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.min_points = config.pieces**3
        self.head = PointHead(backbone.point_dim, backbone.pooled_dim, config.pieces**3, config.head)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch, each cloud under a permutation of its own."""
        draws = Draws.of_process(generator, len(batch.xyz))
        cube = to_cube(batch.xyz)
        voxel = voxels(cube, self.config.pieces)
        order = draws.uniform(self.config.pieces**3).argsort(dim=1).to(cube.device)
        scores: Tensor = self.head(self.backbone(shuffle(cube, voxel, order, self.config.pieces)))
        with torch.autocast(scores.device.type, enabled=False):
            loss = torch.nn.functional.cross_entropy(scores.float().flatten(0, 1), voxel.flatten())
        right = (scores.detach().argmax(dim=-1) == voxel).float().mean()
        return StepOutput(loss=loss, logs={"accuracy": right})


def to_cube(xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """Return clouds in [-1, 1]³: the middle of their box at the origin, its longest side 2."""
    low, high = xyz.amin(dim=1, keepdim=True), xyz.amax(dim=1, keepdim=True)
    half = (high - low).amax(dim=-1, keepdim=True) / 2
    return (xyz - (high + low) / 2) / half.clamp_min(torch.finfo(xyz.dtype).tiny)


def voxels(cube: Float[Tensor, "b n 3"], pieces: int) -> Int64[Tensor, "b n"]:
    """Return the voxel of every point of [-1, 1]³, x slowest and z fastest."""
    place = ((cube + 1) * (pieces / 2)).floor().long().clamp(0, pieces - 1)
    return (place[..., 0] * pieces + place[..., 1]) * pieces + place[..., 2]


def shuffle(
    cube: Float[Tensor, "b n 3"], voxel: Int64[Tensor, "b n"], order: Int64[Tensor, "b v"], pieces: int
) -> Float[Tensor, "b n 3"]:
    """Move the points of voxel a to voxel order[a] without turning them."""
    line = (2 * torch.arange(pieces, device=cube.device) + 1) / pieces - 1
    centre = torch.cartesian_prod(line, line, line)
    return cube + centre[order.gather(1, voxel)] - centre[voxel]
