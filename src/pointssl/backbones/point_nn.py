"""Point-NN: an encoder without weights; sines of coordinates, gathered from neighbourhoods that grow.

Source: R. Zhang, L. Wang, Y. Wang, P. Gao, H. Li, J. Shi, "Parameter is Not All You Need: Starting from Non-Parametric
Networks for 3D Point Cloud Analysis", CVPR 2023. Differs: neighbourhoods are scaled by their spread over the cloud, in
the authors' code over the batch, so that clouds of a batch change each other there; the first centre is the outermost
point.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import require_points
from pointssl.ops import sampling
from pointssl.ops.kernels import grouping
from pointssl.settings import require_finite
from pointssl.types import Features

TOGETHER = 4
"""Clouds that are encoded at once: their neighbourhoods are wide and many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointNNConfig(BackboneConfig):
    """Settings of Point-NN."""

    stages: int = 4
    """Stages, each of which halves the points and doubles the width."""
    width: int = 72
    """Width of the first embedding, a multiple of 6."""
    k: int = 90
    """Neighbours of each centre; all points, where a stage has fewer."""
    alpha: float = 1000.0
    """Range of the wavelengths."""
    beta: float = 100.0
    """Factor of the coordinates."""

    def __post_init__(self) -> None:
        require_finite(self)
        if min(self.stages, self.k) < 1:
            raise ValueError(f"stages and k must be at least 1, got {self.stages} and {self.k}")
        if self.width < 6 or self.width % 6:
            raise ValueError(f"width must be a multiple of 6, got {self.width}")
        if self.alpha <= 1 or self.beta <= 0:
            raise ValueError(f"alpha must be above 1 and beta positive, got {self.alpha} and {self.beta}")


@final
class PointNN(Backbone):
    """Point features are carried from the 3 nearest last centres; pooled is max + mean over all of them."""

    def __init__(self, config: PointNNConfig) -> None:
        super().__init__()
        self.config: PointNNConfig = config
        self.point_dim = self.pooled_dim = config.width * 2**config.stages
        self.min_points = 2**config.stages

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        require_points(xyz, self.min_points, f"PointNN with {self.config.stages} stages")
        with torch.autocast(xyz.device.type, enabled=False):
            parts = [self._encode(some.float()) for some in xyz.split(TOGETHER)]
        return Features(
            points=torch.cat([part.points for part in parts]), pooled=torch.cat([part.pooled for part in parts])
        )

    def _encode(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        config = self.config
        centre, x = xyz, waves(xyz, config.width, config.alpha, config.beta)
        for _ in range(config.stages):
            chosen = sampling.farthest_points(centre, centre.shape[1] // 2, sampling.outermost(centre))[..., None]
            middle = grouping.group(centre, chosen)
            index = grouping.ball(centre, middle[:, :, 0], min(config.k, centre.shape[1]))
            own = grouping.group(x, chosen)
            away, apart = grouping.group(centre, index) - middle, grouping.group(x, index) - own
            place = waves(_scaled(away), 2 * x.shape[-1], config.alpha, config.beta)
            joined = torch.cat([_scaled(apart), own.expand_as(apart)], dim=-1)
            weighed = (joined + place) * place
            x = torch.nn.functional.gelu(weighed.amax(dim=2) + weighed.mean(dim=2))
            centre = middle[:, :, 0]
        pooled = x.amax(dim=1) + x.mean(dim=1)
        return Features(points=grouping.interpolate(x, centre, xyz), pooled=pooled)


def waves(xyz: Float[Tensor, "*n 3"], width: int, alpha: float, beta: float) -> Float[Tensor, "*n d"]:
    """Return sine and cosine of each coordinate at width / 6 wavelengths: all of x, then of y and z, in turn."""
    count = width // 6
    length = alpha ** (torch.arange(count, device=xyz.device, dtype=xyz.dtype) / count)
    angle = beta * xyz[..., None] / length
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-3)


def _scaled(x: Float[Tensor, "b m k d"]) -> Float[Tensor, "b m k d"]:
    """Divide the neighbourhoods of each cloud by their common spread."""
    return x / (x.flatten(1).std(dim=1)[:, None, None, None] + 1e-5)
