"""A PointNet whose points see their surroundings: two edge convolutions and Fourier features before the max.

Source: ours, from two parts: the edge convolution of Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds",
ACM Transactions on Graphics 2019, here on one graph in space that is found once; and the sines and cosines of M. Tancik
et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains", NeurIPS 2020. The
layer that is pooled is C. R. Qi et al., "PointNet", CVPR 2017. z holds the means of the lower layers beside the max.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import MaxPoolLayer, PointLayer, require_points
from pointssl.ops.kernels import edgeconv, neighbors
from pointssl.ops.kernels.norm import BatchNorm
from pointssl.types import Features

SLOPE = 0.2
"""Negative slope of the edge convolutions, as in DGCNN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePointNetConfig(BackboneConfig):
    """Settings of the PointNet with edge convolutions."""

    k: int = 16
    """Neighbours of each point, itself included."""
    density: int = 256
    """Points per cloud whose k nearest are taken; of clouds of twice as many every second one of the 2 k nearest, so
    that neighbourhoods keep their size."""
    edges: tuple[int, ...] = (64, 64)
    """Widths of the edge convolutions."""
    octaves: int = 2
    """Sines and cosines of the coordinates at wavelengths of 2, 1, ... radii."""
    hidden: int = 256
    """Width of the layer before the pooled one."""
    pooled_dim: int = 1024
    """Width of the layer whose max is taken; the means come on top."""

    def __post_init__(self) -> None:
        least = {"k": self.k, "density": self.density, "hidden": self.hidden, "pooled_dim": self.pooled_dim}
        for name, value in least.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not self.edges or min(self.edges) < 1:
            raise ValueError(f"edges must be positive widths, at least one, got {self.edges}")
        if self.octaves < 0:
            raise ValueError(f"octaves must be at least 0, got {self.octaves}")


@final
class EdgePointNet(Backbone):
    """Point features are the edge convolutions and the Fourier features; pooled is a max ++ the means below it."""

    def __init__(self, config: EdgePointNetConfig) -> None:
        super().__init__()
        self.config: EdgePointNetConfig = config
        inputs = (3, *config.edges)
        self.edges = nn.ModuleList(_Edge(i, o) for i, o in pairwise(inputs))
        self.point_dim = sum(config.edges) + 3 + 6 * config.octaves
        self.hidden = PointLayer(self.point_dim, config.hidden)
        self.pool = MaxPoolLayer(config.hidden, config.pooled_dim, slope=1.0)
        self.pooled_dim = config.pooled_dim + config.hidden + sum(config.edges)
        self.min_points = config.k

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        require_points(xyz, self.min_points, f"EdgePointNet with k = {self.min_points}")
        index = self.neighbours(xyz)
        x, seen = xyz, []
        for edge in self.edges:
            x = edge(x, index)
            seen.append(x)
        local = torch.cat(seen, dim=-1)
        points = torch.cat([local, fourier(xyz, self.config.octaves)], dim=-1)
        hidden: Tensor = self.hidden(points)
        pooled = torch.cat([self.pool(hidden), hidden.mean(dim=1), local.mean(dim=1)], dim=-1)
        return Features(points=points, pooled=pooled)

    def neighbours(self, xyz: Float[Tensor, "b n 3"]) -> Int[Tensor, "b n k"]:
        """Return k neighbours of every point, itself first, spread over a neighbourhood of the same size for any n."""
        n, k = xyz.shape[1], self.config.k
        apart = max(1, min(round(n / self.config.density), n // k))
        return neighbors.nearest(xyz, k * apart)[..., ::apart].contiguous()


def fourier(xyz: Float[Tensor, "b n 3"], octaves: int) -> Float[Tensor, "b n d"]:
    """Return the coordinates, and their sines and cosines at each octave."""
    turns = [math.pi * 2**octave * xyz for octave in range(octaves)]
    return torch.cat([xyz, *(wave(turn) for turn in turns for wave in (torch.sin, torch.cos))], dim=-1)


@final
class _Edge(nn.Module):
    """An edge convolution on a graph that is given."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * in_dim, out_dim, bias=False)
        self.norm = BatchNorm(out_dim)

    def forward(self, x: Float[Tensor, "b n d"], index: Int[Tensor, "b n k"]) -> Float[Tensor, "b n e"]:
        return edgeconv.edge_conv(x, index, self.linear.weight, self.norm, SLOPE)
