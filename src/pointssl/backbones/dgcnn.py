"""DGCNN: convolutions over the edges of a neighbour graph that is rebuilt in the feature space of every layer.

Source: Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", ACM Transactions on Graphics 2019. The
classification form has four edge layers, the segmentation form three with two of them doubled; both put a shared layer
on the concatenated outputs and pool it. The segmentation form's transform network is left out, as for whole scenes.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import MaxPoolLayer, PointLayer, require_points
from pointssl.ops.kernels import edgeconv, neighbors
from pointssl.ops.kernels.norm import BatchNorm
from pointssl.types import Features

SLOPE = 0.2
"""Negative slope of every leaky ReLU in the network."""
SEGMENTATION_WIDTHS = ((64, 64), (64, 64), (64,))
"""Widths of the three edge layers of the segmentation form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DGCNNConfig(BackboneConfig):
    """Settings of DGCNN."""

    k: int = 20
    """Neighbours of each point, itself included; 20 suits 1024 points, 40 suits 2048."""
    form: Literal["classification", "segmentation"] = "classification"
    """Which of the two published encoders."""
    pooling: Literal["max", "max_mean"] = "max"
    """`max_mean` puts the mean over the points behind the max and doubles the pooled width."""
    widths: tuple[int, ...] = (64, 64, 128, 256)
    """Widths of the edge layers of the classification form; the segmentation form's are fixed."""
    pooled_dim: int = 1024
    """Width of the last shared layer."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be positive, at least one, got {self.widths}")
        if self.pooled_dim < 1:
            raise ValueError(f"pooled_dim must be positive, got {self.pooled_dim}")


@final
class EdgeConv(nn.Module):
    """One or two shared layers on the edges of the k-nearest-neighbour graph of its input, then the max per point."""

    def __init__(self, in_dim: int, widths: tuple[int, ...], k: int) -> None:
        super().__init__()
        self.k = k
        self.linear = nn.Linear(2 * in_dim, widths[0], bias=False)
        self.norm = BatchNorm(widths[0])
        self.more = nn.ModuleList(PointLayer(i, o, SLOPE) for i, o in pairwise(widths))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n e"]:
        """Gather from the neighbours in the space of `x`."""
        index = neighbors.nearest(x, self.k)
        if not self.more:
            return edgeconv.edge_conv(x, index, self.linear.weight, self.norm, SLOPE)
        edges = edgeconv.edges(x, index, self.linear.weight, self.norm, SLOPE)  # (b, n, k, e)
        flat = edges.flatten(1, 2)
        for layer in self.more:
            flat = layer(flat)
        peak: Tensor = flat.unflatten(1, edges.shape[1:3]).amax(dim=2)
        return peak


@final
class DGCNN(Backbone):
    """Point features are the concatenated outputs of the edge layers; pooled is the max of the last shared layer."""

    def __init__(self, config: DGCNNConfig) -> None:
        super().__init__()
        self.config = config
        layers = SEGMENTATION_WIDTHS if config.form == "segmentation" else tuple((width,) for width in config.widths)
        inputs = (3, *(widths[-1] for widths in layers))
        self.edges = nn.ModuleList(EdgeConv(i, o, config.k) for i, o in zip(inputs, layers, strict=False))
        self.point_dim = sum(widths[-1] for widths in layers)
        self.min_points = config.k
        both = config.pooling == "max_mean"
        self.pooled_dim = config.pooled_dim * (2 if both else 1)
        self.pool = (
            MaxMeanPoolLayer(self.point_dim, config.pooled_dim)
            if both
            else MaxPoolLayer(self.point_dim, config.pooled_dim, SLOPE)
        )

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        require_points(xyz, self.min_points, f"DGCNN with k = {self.min_points}")
        x, outputs = xyz, []
        for edge in self.edges:
            x = edge(x)
            outputs.append(x)
        points = torch.cat(outputs, dim=-1)
        return Features(points=points, pooled=self.pool(points))


@final
class MaxMeanPoolLayer(nn.Module):
    """A shared layer, then the max and the mean over the points of each cloud, side by side."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.layer = PointLayer(in_dim, out_dim, SLOPE)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b e"]:
        """Return one vector of twice the layer's width per cloud."""
        y: Tensor = self.layer(x)
        return torch.cat([y.amax(dim=1), y.mean(dim=1)], dim=-1)
