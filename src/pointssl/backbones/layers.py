"""The blocks that all point networks are made of: a shared layer on every point, and the same layer pooled by max."""

from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.ops import distributed
from pointssl.ops.kernels import norm, pooling


@final
class PointLayer(nn.Module):
    """Linear map, batch norm over all points of the batch, leaky ReLU (slope 0 is a ReLU, slope 1 no activation)."""

    def __init__(self, in_dim: int, out_dim: int, slope: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim, bias=False)  # the norm's shift is the bias
        self.norm = norm.BatchNorm(out_dim)
        self.slope = slope

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n e"]:
        """Map every point alike."""
        return self.activate(self.linear(x))

    def activate(self, x: Float[Tensor, "b n e"]) -> Float[Tensor, "b n e"]:
        """Normalise and activate what the linear map gave."""
        return norm.activate(x, self.norm, self.slope)


@final
class MaxPoolLayer(nn.Module):
    """A `PointLayer` followed by the max over the points of each cloud."""

    def __init__(self, in_dim: int, out_dim: int, slope: float = 0.0) -> None:
        super().__init__()
        self.layer = PointLayer(in_dim, out_dim, slope)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b e"]:
        """Return one vector per cloud."""
        layer = self.layer
        return pooling.linear_norm_max(x, layer.linear.weight, layer.norm, layer.slope)


def mlp(widths: tuple[int, ...], dropout: float = 0.0, *, bias: bool = True) -> nn.Sequential:
    """Layers on vectors: linear, batch norm, ReLU and dropout between `widths`; the last is linear, with its `bias`."""
    layers: list[nn.Module] = []
    for in_dim, out_dim in pairwise(widths[:-1]):
        layers += [nn.Linear(in_dim, out_dim, bias=False), norm.BatchNorm(out_dim), nn.ReLU()]
        if dropout:
            layers.append(Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=bias))


@final
class Dropout(nn.Module):
    """Dropout whose random numbers are drawn for the rows of all processes, so that they drop what one would drop."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return x with a share of its entries set to 0 and the others scaled up; x itself in evaluation."""
        if not self.training or self.share == 0:
            return x
        return x * _kept(x, self.share, x.shape[1:]) / (1 - self.share)


@final
class DropPath(nn.Module):
    """Leaves out a whole branch for a share of the clouds while training, and scales it up for the others."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "b *d"]) -> Float[Tensor, "b *d"]:
        """Return x, or 0 in its place; x itself in evaluation."""
        if not self.training or self.share == 0:
            return x
        return x * _kept(x, self.share, ()).view(-1, *([1] * (x.ndim - 1))) / (1 - self.share)


def _kept(x: Tensor, share: float, shape: tuple[int, ...]) -> Tensor:
    """Draw which entries of each row stay, for the rows of all processes, and return those of this one."""
    first, total = distributed.rank() * len(x), distributed.world() * len(x)
    return torch.rand(total, *shape, device=x.device)[first : first + len(x)] >= share


def require_points(xyz: Float[Tensor, "b n 3"], needed: int, network: str) -> None:
    """Raise ValueError when the clouds of a batch have fewer points than `network` can work with."""
    if xyz.shape[1] < needed:
        raise ValueError(f"points per cloud must be at least {needed} for {network}, got {xyz.shape[1]}")


def orthogonality(transform: Float[Tensor, "b d d"]) -> Float[Tensor, ""]:
    """Mean over the batch of the Frobenius norm of I - A Aᵀ, which keeps a learned transform near a rotation."""
    eye = torch.eye(transform.shape[-1], dtype=transform.dtype, device=transform.device)
    distance: Tensor = torch.linalg.matrix_norm(eye - transform @ transform.mT)
    return distance.mean()
