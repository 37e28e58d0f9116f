"""PointNet: the same small network on every point, then a max over the cloud.

Source: C. R. Qi, H. Su, K. Mo, L. J. Guibas, "PointNet: Deep Learning on Point Sets for 3D Classification and
Segmentation", CVPR 2017. The default is the short form 3-64-128-1024 without the two transform networks, as the
self-supervised comparisons use it: with them the network may undo a rotation before anything is learned.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import MaxPoolLayer, PointLayer, mlp, require_points
from pointssl.types import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class PointNetConfig(BackboneConfig):
    """Settings of PointNet."""

    local: tuple[int, ...] = (64,)
    """Widths of the layers before the local point feature; the original network has (64, 64)."""
    hidden: tuple[int, ...] = (128,)
    """Widths between the local feature and the pooled layer; the original network has (64, 128)."""
    pooled_dim: int = 1024
    """Width of the pooled feature."""
    transforms: bool = False
    """Use the input and feature transform networks (T-Nets)."""
    activate_pooled: bool = False
    """Put a ReLU between the last norm and the max; the short form has none."""

    def __post_init__(self) -> None:
        for name, widths in (("local", self.local), ("hidden", self.hidden), ("pooled_dim", (self.pooled_dim,))):
            if not widths or min(widths) < 1:
                raise ValueError(f"{name} must be positive widths, at least one, got {widths}")


@final
class TransformNet(nn.Module):
    """Predicts a square matrix per cloud, the identity at the start."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.points = nn.Sequential(PointLayer(dim, 64), PointLayer(64, 128))
        self.pool = MaxPoolLayer(128, 1024)
        self.head = mlp((1024, 512, 256, dim * dim))
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b d d"]:
        """Return the matrix to multiply every point of the cloud with."""
        flat: Tensor = self.head(self.pool(self.points(x)))
        return flat.view(-1, self.dim, self.dim) + torch.eye(self.dim, dtype=flat.dtype, device=flat.device)


@final
class PointNet(Backbone):
    """Point features are the last local layer (64 wide); pooled is the max of the 1024-wide layer."""

    def __init__(self, config: PointNetConfig) -> None:
        super().__init__()
        self.config = config
        self.input_transform = TransformNet(3) if config.transforms else None
        self.local = nn.Sequential(*(PointLayer(i, o) for i, o in pairwise((3, *config.local))))
        self.feature_transform = TransformNet(config.local[-1]) if config.transforms else None
        self.hidden = nn.Sequential(*(PointLayer(i, o) for i, o in pairwise((config.local[-1], *config.hidden))))
        self.pool = MaxPoolLayer(config.hidden[-1], config.pooled_dim, slope=0.0 if config.activate_pooled else 1.0)
        self.point_dim = config.local[-1]
        self.pooled_dim = config.pooled_dim

    @property
    def pools_by_max(self) -> bool:
        """True without the transform networks, which look at all points together."""
        return self.input_transform is None

    def before_max(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n e"]:
        """Return what every point offers to the max."""
        offered: Tensor = self.pool.layer(self.hidden(self.local(xyz)))
        return offered

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        require_points(xyz, self.min_points, "PointNet")
        if self.input_transform is not None:
            xyz = xyz @ self.input_transform(xyz)
        points: Tensor = self.local(xyz)
        if self.feature_transform is not None:
            points = points @ self.feature_transform(points)
        return Features(points=points, pooled=self.pool(self.hidden(points)))
