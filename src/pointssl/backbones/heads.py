"""Heads that classify points, given the features of the point and of its whole cloud.

The textbook form copies the cloud's vector to all n points before the first layer. That layer is linear, so its product
splits into W_p · point + W_g · cloud, and the second part is needed once per cloud, not once per point.
"""

from itertools import pairwise
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.layers import Dropout, PointLayer
from pointssl.types import Features


@final
class PointHead(nn.Module):
    """Maps `Features` to one vector of scores per point."""

    def __init__(
        self,
        point_dim: int,
        pooled_dim: int,
        out_dim: int,
        widths: tuple[int, ...] = (512, 256, 128),
        slope: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.first = PointLayer(point_dim, widths[0], slope)
        self.context = nn.Linear(pooled_dim, widths[0], bias=False)
        self.layers = nn.Sequential(*(PointLayer(i, o, slope) for i, o in pairwise(widths)))
        self.dropout = Dropout(dropout)
        self.scores = nn.Linear(widths[-1], out_dim)

    def forward(self, features: Features) -> Float[Tensor, "b n j"]:
        """Score every point; logits, no normalisation after the last layer."""
        joined = self.first.linear(features.points) + self.context(features.pooled)[:, None]
        scores: Tensor = self.scores(self.dropout(self.layers(self.first.activate(joined))))
        return scores
