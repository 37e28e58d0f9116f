"""OcCo: from the side that a camera sees of a shape, the whole shape must be completed.

Source: H. Wang, Q. Liu, X. Yue, J. Lasenby, M. J. Kusner, "Unsupervised Point Cloud Pre-training via Occlusion
Completion", ICCV 2021; decoder of W. Yuan et al., "PCN: Point Completion Network", 3DV 2018. Views are drawn in every
step, by our own depth map of the points (docs/methods/occo.md).
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.decoders import PCNDecoder
from pointssl.data.augment import recentred
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.ops.batch_rng import Draws
from pointssl.ops.chamfer import chamfer
from pointssl.ops.render.cameras import random_cameras
from pointssl.ops.render.occlusion import keep_seen, visible
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput

WEIGHTS = ((0.0, 0.01), (0.065, 0.1), (0.13, 0.5), (0.325, 1.0))
"""Weight of the fine cloud from a share of the run on: the code's 10k, 20k and 50k steps of its 154k."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcCoConfig(MethodConfig):
    """Settings of occlusion completion."""

    coarse: int = 1024
    """Coarse points of the decoder."""
    side: int = 4
    """Points along each side of the small grid around each coarse point."""
    half: float = 0.05
    """Half the width of that grid, in cloud radii."""
    hidden: int = 512
    """Width of the layers that fold the grids."""
    pixels: int = 64
    """Side of the depth map that decides what is seen."""
    tolerance: float = 0.2
    """How far behind the nearest surface a point is still seen, in cloud radii."""
    distance: float = 2.0
    """Of the cameras from the centre, in cloud radii."""

    def __post_init__(self) -> None:
        require_finite(self)
        if min(self.coarse, self.side, self.hidden) < 1:
            raise ValueError(
                f"coarse, side and hidden must be positive, got {self.coarse}, {self.side} and {self.hidden}"
            )
        if self.pixels < 16:
            raise ValueError(f"pixels must be at least 16, got {self.pixels}")
        if self.half < 0 or self.tolerance < 0:
            raise ValueError(f"half and tolerance must be at least 0, got {self.half} and {self.tolerance}")
        if self.distance <= 1:
            raise ValueError(f"distance must be above 1, outside of the shape, got {self.distance}")


@final
class OcCo(PretextMethod):
    """The loss is a mean distance to the nearest point, in cloud radii; the fine cloud's weight grows along the run."""

    figures: ClassVar = (
        Figure("coarse", "Coarse completion", "cloud radii"),
        Figure("fine", "Fine completion", "cloud radii"),
    )
    weight: Tensor

    def __init__(self, backbone: Backbone, config: OcCoConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.decoder = PCNDecoder(backbone.pooled_dim, config.coarse, config.side, config.half, config.hidden)
        self.register_buffer("weight", torch.tensor(WEIGHTS[0][1]))

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch, each cloud seen by a camera of its own."""
        part, share = self.occlude(batch.xyz, Draws.of_process(generator, len(batch.xyz)))
        coarse, fine = self.decoder(self.backbone(part).pooled)
        far = [torch.stack(chamfer(drawn, batch.xyz)).mean() for drawn in (coarse, fine)]
        logs = {"coarse": far[0].detach(), "fine": far[1].detach(), "seen": share, "fine_weight": self.weight.clone()}
        return StepOutput(loss=far[0] + self.weight * far[1], logs=logs)

    def occlude(self, xyz: Float[Tensor, "b n 3"], draws: Draws) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, ""]]:
        """Return what a random camera sees of each cloud, filled up with repeats, and the mean share that is seen."""
        config = self.config
        cameras = random_cameras(draws, 1, distance=config.distance, around="sphere").to(xyz.device)
        seen = visible(recentred(xyz), cameras, config.pixels, config.tolerance)[:, 0]
        return keep_seen(xyz, seen, xyz.shape[1], draws), seen.float().mean()

    def after_step(self, progress: float) -> None:
        """Let the weight of the fine cloud follow its steps."""
        self.weight.fill_(next(weight for start, weight in reversed(WEIGHTS) if progress >= start))
