"""Any network that says something about points takes part: wrap it once and it is a backbone like ours.

Two kinds of network come in: those that give a feature (or class scores) per point, and those that give a pooled vector
as well. The first kind gets its pooled vector from one layer that the wrapper adds, and a max over the points.
"""

from collections.abc import Callable
from typing import Any, Literal, final

from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import MaxPoolLayer, require_points
from pointssl.types import Features


@final
class Adapted(Backbone):
    """A foreign network in the house's contract; its own parameters keep their names under `network.`.

    Args:
        network: called with one tensor of coordinates.
        point_dim: width of what it gives per point; point logits count as features.
        pooled_dim: width of the pooled feature.
        own_pooled: the network returns (points, pooled) itself; otherwise the pooling layer is added here.
        layout: `bnc` for (b, n, channels) in and out, `bcn` for (b, channels, n).
        read: turns whatever the network returns into a tensor, or into (points, pooled) with `own_pooled`.
        min_points: fewest points per cloud that the network accepts.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        point_dim: int,
        pooled_dim: int = 1024,
        own_pooled: bool = False,
        layout: Literal["bnc", "bcn"] = "bnc",
        read: Callable[[Any], Any] | None = None,
        min_points: int = 1,
    ) -> None:
        super().__init__()
        self.network = network
        self.pool = None if own_pooled else MaxPoolLayer(point_dim, pooled_dim, slope=1.0)
        self.point_dim, self.pooled_dim, self.min_points = point_dim, pooled_dim, min_points
        self._layout, self._read = layout, read

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch; raises ValueError where the network's shapes are not the declared ones."""
        name = type(self.network).__name__
        require_points(xyz, self.min_points, name)
        output: Any = self.network(xyz.mT if self._layout == "bcn" else xyz)
        if self._read is not None:
            output = self._read(output)
        if self.pool is None and not (isinstance(output, tuple) and len(output) == 2):
            raise ValueError(f"{name} must return (points, pooled) with own_pooled, got {type(output).__name__}")
        pooled: Any
        points, pooled = output if self.pool is None else (output, None)
        if not isinstance(points, Tensor):
            raise ValueError(f"{name} must return a tensor, got {type(points).__name__}; pass own_pooled or read")  # noqa: TRY004
        points = points.mT if self._layout == "bcn" else points
        _check(f"point features of {name}", points, (*xyz.shape[:2], self.point_dim), "point_dim or layout")
        if self.pool is not None:
            pooled = self.pool(points)
        _check(f"pooled feature of {name}", pooled, (len(xyz), self.pooled_dim), "pooled_dim")
        return Features(points=points, pooled=pooled)


def _check(what: str, tensor: Tensor, shape: tuple[int, ...], setting: str) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{what} must have shape {shape}, got {tuple(tensor.shape)}; correct {setting}")
