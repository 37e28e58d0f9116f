"""The contract of every encoder: clouds in, features per point and per cloud out."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from pointssl.types import Features


class BackboneConfig:
    """Base of the settings of every encoder, each a frozen dataclass."""

    __slots__ = ()


class Backbone(nn.Module, ABC):
    """Maps clouds (b, n, 3) to `Features`; the same verbs on every network."""

    point_dim: int
    """Width of `Features.points`."""
    pooled_dim: int
    """Width of `Features.pooled`, the vector that probes and classifiers read."""
    config: BackboneConfig | None = None
    """The settings that the network was built from; None for one that was built otherwise."""
    min_points: int = 1
    """Fewest points per cloud that the network accepts."""

    @abstractmethod
    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch; raises ValueError when a cloud has fewer than `min_points` points."""
