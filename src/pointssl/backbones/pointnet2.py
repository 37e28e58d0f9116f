"""PointNet++: small PointNets on balls around ever fewer centres, and features carried back to the points.

Source: C. R. Qi, L. Yi, H. Su, L. J. Guibas, "PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric
Space", NeurIPS 2017; radii, neighbours and widths are those of its classification networks, with one scale or several
(SSG, MSG), and of its part segmentation's way back. Differs: the first centre is the point farthest from the mean, and
of a full ball the nearest points are taken (`ops.kernels.grouping`), so that nothing depends on the order of points.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import MaxPoolLayer, PointLayer, require_points
from pointssl.ops import sampling
from pointssl.ops.kernels import grouping
from pointssl.types import Features


@dataclass(frozen=True, slots=True)
class Scale:
    """One PointNet of a level: how far it looks, at how many points, and its widths."""

    radius: float
    neighbours: int
    widths: tuple[int, ...]


LEVELS: dict[str, tuple[tuple[Scale, ...], ...]] = {
    "ssg": ((Scale(0.2, 32, (64, 64, 128)),), (Scale(0.4, 64, (128, 128, 256)),)),
    "msg": (
        (Scale(0.1, 16, (32, 32, 64)), Scale(0.2, 32, (64, 64, 128)), Scale(0.4, 128, (64, 96, 128))),
        (Scale(0.2, 32, (64, 64, 128)), Scale(0.4, 64, (128, 128, 256)), Scale(0.8, 128, (128, 128, 256))),
    ),
}
"""The two levels below the whole cloud, by form; radii are for clouds in the unit sphere."""
WHOLE = (256, 512)
"""Widths of the last level, of all centres together, before the pooled one."""
BACK = ((256, 256), (256, 128), (128, 128))
"""Widths of the way back, from the whole cloud to the points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointNet2Config(BackboneConfig):
    """Settings of PointNet++."""

    form: Literal["ssg", "msg"] = "ssg"
    """One scale per level, or several."""
    centres: tuple[int, int] = (512, 128)
    """Centres of the two levels; 512 and 128 suit 1024 points, and a cloud needs as many points as the first has."""
    pooled_dim: int = 1024
    """Width of the pooled layer."""

    def __post_init__(self) -> None:
        if not self.centres[0] >= self.centres[1] >= 1:
            raise ValueError(f"centres must be positive and not grow, got {self.centres}")
        if self.pooled_dim < 1:
            raise ValueError(f"pooled_dim must be positive, got {self.pooled_dim}")


@final
class PointNet2(Backbone):
    """Point features are what comes back to the points (128 wide); pooled is the max over all centres."""

    def __init__(self, config: PointNet2Config) -> None:
        super().__init__()
        self.config: PointNet2Config = config
        levels, widths = [], [0]  # nothing is known of the points but where they are
        for count, scales in zip(config.centres, LEVELS[config.form], strict=True):
            levels.append(Level(widths[-1], count, scales))
            widths.append(levels[-1].out_dim)
        self.levels = nn.ModuleList(levels)
        self.whole = nn.Sequential(*(PointLayer(i, o) for i, o in pairwise((3 + widths[-1], *WHOLE))))
        self.pool = MaxPoolLayer(WHOLE[-1], config.pooled_dim)
        inputs = (config.pooled_dim + widths[2], BACK[0][-1] + widths[1], BACK[1][-1] + 3)
        self.back = nn.ModuleList(
            nn.Sequential(*(PointLayer(i, o) for i, o in pairwise((first, *widths))))
            for first, widths in zip(inputs, BACK, strict=True)
        )
        self.point_dim, self.pooled_dim = BACK[-1][-1], config.pooled_dim
        self.min_points = config.centres[0]

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        require_points(xyz, self.min_points, f"PointNet++ with {self.min_points} centres")
        place, seen = [xyz], [xyz[..., :0]]
        for level in self.levels:
            centre, feature = level(place[-1], seen[-1])
            place.append(centre)
            seen.append(feature)
        pooled: Tensor = self.pool(self.whole(torch.cat([place[2], seen[2]], dim=-1)))
        # The whole cloud's vector goes to all centres of the last level, theirs to the first's, theirs to the points.
        x = self.back[0](torch.cat([seen[2], pooled[:, None].expand(-1, seen[2].shape[1], -1)], dim=-1))
        x = self.back[1](torch.cat([seen[1], grouping.interpolate(x, place[2], place[1])], dim=-1))
        x = self.back[2](torch.cat([xyz, grouping.interpolate(x, place[1], xyz)], dim=-1))
        return Features(points=x, pooled=pooled)


@final
class Level(nn.Module):
    """Chooses centres and describes what lies around each, at one scale or several (set abstraction)."""

    def __init__(self, in_dim: int, count: int, scales: tuple[Scale, ...]) -> None:
        super().__init__()
        self.count, self.scales = count, scales
        self.networks = nn.ModuleList(
            nn.ModuleList(PointLayer(i, o) for i, o in pairwise((3 + in_dim, *scale.widths))) for scale in scales
        )
        self.out_dim = sum(scale.widths[-1] for scale in scales)

    def forward(
        self, xyz: Float[Tensor, "b n 3"], x: Float[Tensor, "b n d"]
    ) -> tuple[Float[Tensor, "b m 3"], Float[Tensor, "b m e"]]:
        """Return the centres and their features."""
        chosen = sampling.farthest_points(xyz, self.count, sampling.outermost(xyz))
        centre = xyz.gather(1, chosen[..., None].expand(-1, -1, 3))
        seen = [
            self.around(xyz, x, centre, scale, layers)  # type: ignore[arg-type]
            for scale, layers in zip(self.scales, self.networks, strict=True)
        ]
        return centre, torch.cat(seen, dim=-1)

    def around(
        self,
        xyz: Float[Tensor, "b n 3"],
        x: Float[Tensor, "b n d"],
        centre: Float[Tensor, "b m 3"],
        scale: Scale,
        layers: nn.ModuleList,
    ) -> Float[Tensor, "b m e"]:
        """Return the max of a small PointNet over the points of each ball, seen from its centre."""
        # Points repeated to fill a ball change no max, so a level with fewer points needs no filling.
        index = grouping.ball(xyz, centre, min(scale.neighbours, xyz.shape[1]), scale.radius)
        first = layers[0]
        assert isinstance(first, PointLayer)
        # W (x_j - c, f_j) = W (x_j, f_j) - W (c, 0): the product is needed once per point, not once per ball and point.
        mapped = first.linear(torch.cat([xyz, x], dim=-1))
        shift = nn.functional.linear(centre, first.linear.weight[:, :3])
        edges = grouping.group(mapped, index) - shift[:, :, None]
        flat = first.activate(edges.flatten(1, 2))
        for layer in layers[1:]:
            flat = layer(flat)
        peak: Tensor = flat.unflatten(1, index.shape[1:]).amax(dim=2)
        return peak
