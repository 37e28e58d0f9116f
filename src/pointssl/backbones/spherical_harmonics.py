"""SPH: how much of a cloud lies in each shell at each frequency; nothing is trained, and no rotation changes it.

Source: M. Kazhdan, T. Funkhouser, S. Rusinkiewicz, "Rotation Invariant Spherical Harmonic Representation of 3D Shape
Descriptors", SGP 2003. Differs: the points themselves are expanded, not voxels. The energy of a degree needs no
harmonics: by their addition theorem it is a sum of Legendre polynomials of the cosines between points.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import require_points
from pointssl.ops.chamfer import safe_sqrt
from pointssl.types import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class SphericalHarmonicsConfig(BackboneConfig):
    """Settings of the descriptor."""

    shells: int = 32
    """Concentric shells between the centre and radius 1; a point counts for the two next to it."""
    degrees: int = 16
    """Degrees of the harmonics, from 0."""

    def __post_init__(self) -> None:
        if self.shells < 2 or self.degrees < 1:
            raise ValueError(f"shells must be at least 2 and degrees 1, got {self.shells} and {self.degrees}")


@final
class SphericalHarmonics(Backbone):
    """Pooled are the lengths of the coefficients, shell by shell; the squares are the mean of the point features."""

    def __init__(self, config: SphericalHarmonicsConfig) -> None:
        super().__init__()
        self.config: SphericalHarmonicsConfig = config
        self.point_dim = self.pooled_dim = config.shells * config.degrees
        self.min_points = 1

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch of centred clouds in the unit ball; points outside count for the last shell."""
        require_points(xyz, self.min_points, "SphericalHarmonics")
        with torch.autocast(xyz.device.type, enabled=False):
            xyz = xyz.float()
            shell = shells(xyz.norm(dim=-1), self.config.shells)
            cosine = torch.nn.functional.normalize(xyz, dim=-1, eps=1e-12)
            cosine = (cosine @ cosine.mT).clamp(-1, 1)
            before, now, parts = torch.zeros_like(cosine), torch.ones_like(cosine), []
            for degree in range(self.config.degrees):
                scale = (2 * degree + 1) / (4 * math.pi * xyz.shape[1])
                parts.append(scale * shell * (now @ shell))
                before, now = now, ((2 * degree + 1) * cosine * now - degree * before) / (degree + 1)
            points = torch.stack(parts, dim=-1).flatten(2)
            return Features(points=points, pooled=safe_sqrt(points.mean(dim=1).clamp_min(0)))


def shells(radius: Float[Tensor, "b n"], count: int) -> Float[Tensor, "b n s"]:
    """Return how much each point counts for each shell; a point between two counts for both, 1 in all."""
    middle = torch.linspace(0, 1, count, device=radius.device)
    return (1 - (radius.clamp(0, 1)[..., None] - middle).abs() * (count - 1)).clamp_min(0)
