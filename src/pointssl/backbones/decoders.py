"""From a code to points: fully connected, folded from a plane, or coarse points each of which unfolds a small plane.

The code is the same for all points of a cloud, so that its part of the first layer is computed once per cloud. There
are no norms: means over a batch would mix clouds of different size.

Sources: P. Achlioptas et al., "Learning Representations and Generative Models for 3D Point Clouds", ICML 2018; Y. Yang
et al., "FoldingNet", CVPR 2018; W. Yuan et al., "PCN: Point Completion Network", 3DV 2018.
"""

from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


@final
class FlatDecoder(nn.Module):
    """Three linear layers give all coordinates at once."""

    def __init__(self, code: int, points: int, hidden: tuple[int, ...] = (256, 256)) -> None:
        super().__init__()
        widths = (code, *hidden)
        layers = [(nn.Linear(i, o), nn.ReLU()) for i, o in pairwise(widths)]
        self.layers = nn.Sequential(*(part for layer in layers for part in layer), nn.Linear(widths[-1], 3 * points))

    def forward(self, code: Float[Tensor, "b e"]) -> Float[Tensor, "b n 3"]:
        """Return the points."""
        points: Tensor = self.layers(code)
        return points.view(len(points), -1, 3)


@final
class Fold(nn.Module):
    """Moves points that know the code: three layers on code and point together."""

    def __init__(self, code: int, point: int, hidden: int = 512) -> None:
        super().__init__()
        self.context = nn.Linear(code, hidden)
        self.point = nn.Linear(point, hidden, bias=False)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3))

    def forward(self, code: Float[Tensor, "b e"], points: Float[Tensor, "b n d"]) -> Float[Tensor, "b n 3"]:
        """Return a new place for each point."""
        moved: Tensor = self.rest(self.context(code)[:, None] + self.point(points))
        return moved


@final
class FoldingDecoder(nn.Module):
    """A square grid is folded twice."""

    grid: Tensor

    def __init__(self, code: int, side: int = 45, half: float = 0.3, hidden: int = 512) -> None:
        super().__init__()
        self.register_buffer("grid", plane(side, half), persistent=False)
        self.first, self.second = Fold(code, 2, hidden), Fold(code, 3, hidden)

    def forward(self, code: Float[Tensor, "b e"]) -> Float[Tensor, "b n 3"]:
        """Return side² points."""
        folded: Tensor = self.second(code, self.first(code, self.grid.expand(len(code), -1, -1)))
        return folded


@final
class PCNDecoder(nn.Module):
    """Coarse points from the code alone, and around each of them a small folded grid."""

    grid: Tensor

    def __init__(self, code: int, coarse: int = 1024, side: int = 4, half: float = 0.05, hidden: int = 512) -> None:
        super().__init__()
        self.register_buffer("grid", plane(side, half), persistent=False)
        self.coarse = FlatDecoder(code, coarse, (1024, 1024))
        self.fold = Fold(code, 5, hidden)

    def forward(self, code: Float[Tensor, "b e"]) -> tuple[Float[Tensor, "b c 3"], Float[Tensor, "b f 3"]]:
        """Return the coarse points and side² fine ones around each of them."""
        coarse: Tensor = self.coarse(code)
        around = coarse.repeat_interleave(len(self.grid), dim=1)
        grid = self.grid.repeat(coarse.shape[1], 1).expand(len(code), -1, -1)
        return coarse, around + self.fold(code, torch.cat([grid, around], dim=-1))


def plane(side: int, half: float) -> Float[Tensor, "n 2"]:
    """Return the side² points of a square grid in [-half, half]²; the origin for side 1."""
    line = torch.linspace(-half, half, side) if side > 1 else torch.zeros(1)
    return torch.cartesian_prod(line, line)
