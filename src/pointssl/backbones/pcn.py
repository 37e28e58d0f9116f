"""The encoder of PCN: two small PointNets in a row, the second sees each point beside the first one's max.

Source: W. Yuan, T. Khot, D. Held, C. Mertz, M. Hebert, "PCN: Point Completion Network", 3DV 2018; widths 128, 256, then
512, 1024, with biases and without batch norm, as OcCo (H. Wang et al., ICCV 2021) pre-trains it.
"""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import require_points
from pointssl.types import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class PCNConfig(BackboneConfig):
    """Settings of PCN's encoder."""

    local: tuple[int, int] = (128, 256)
    """Widths of the first PointNet."""
    hidden: int = 512
    """Width between the first max and the pooled layer."""
    pooled_dim: int = 1024
    """Width of the pooled feature."""

    def __post_init__(self) -> None:
        if min(*self.local, self.hidden, self.pooled_dim) < 1:
            raise ValueError(
                f"local, hidden and pooled_dim must be positive, got {self.local}, {self.hidden} and {self.pooled_dim}"
            )


@final
class PCN(Backbone):
    """Point features are the first PointNet's last layer (256 wide); pooled is the max of the second one."""

    def __init__(self, config: PCNConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.local
        self.local = nn.Sequential(nn.Linear(3, first), nn.ReLU(), nn.Linear(first, second))
        # The layer on (point, max) is split in two: the max's part is needed once per cloud, not once per point.
        self.hidden = nn.Linear(second, config.hidden)
        self.context = nn.Linear(second, config.hidden, bias=False)
        self.pool = nn.Linear(config.hidden, config.pooled_dim)
        self.point_dim, self.pooled_dim = second, config.pooled_dim

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        require_points(xyz, self.min_points, "PCN")
        points: Tensor = self.local(xyz)
        joined = self.hidden(points) + self.context(points.amax(dim=1))[:, None]
        offered: Tensor = self.pool(joined.relu())
        return Features(points=points, pooled=offered.amax(dim=1))
