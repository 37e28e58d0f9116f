"""Edge convolution without edges: what DGCNN computes on n·k edges, from n points.

An edge (i, j) of the neighbour graph carries (x_j - x_i, x_i); a layer maps it linearly, normalises it over all edges
of the batch, activates it, and takes the max over the neighbours j of i. The linear map splits into u_j + v_i, u = A x,
v = (B - A) x, so its product runs over points. Batch norm and leaky ReLU rise monotonically in each channel (a channel
of negative scale is turned over first), so the max moves inside: max_j u_j. The norm's mean and variance over all edges
follow from the in-degree of each point and Σ_j u_j over each neighbourhood. Same function, k times less work.

Source: Y. Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", ACM ToG 2019, for the layer.
Differs: at a scale of exactly 0 all edges tie; the gradient of the scale then follows the largest linear response.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pointssl.ops.kernels import edge_kernels
from pointssl.ops.kernels.norm import follow, frozen, world_of


def edge_conv(
    x: Float[Tensor, "b n d"],
    index: Int[Tensor, "b n k"],
    weight: Float[Tensor, "e d2"],
    norm: nn.BatchNorm1d,
    slope: float,
) -> Float[Tensor, "b n e"]:
    """Return max_j leaky_relu(norm(weight · (x_j - x_i, x_i))) over the neighbours j = `index` of i.

    `slope` is the leaky ReLU's, at least 0. In training mode the running statistics of `norm` follow. The product obeys
    autocast, all else is float32 (float64 for such input).
    """
    # Turned over where the scale is negative, so that only a max is ever needed.
    sign = torch.where(norm.weight < 0, -1.0, 1.0).to(weight.dtype)
    uv = split_product(x, weight * sign[:, None])
    mean, var = frozen(norm)
    world = world_of(norm)
    out: Tensor
    out, _, _, _, _, mean, var = edge_kernels.norm_max(
        uv, index, norm.weight * sign, norm.bias, mean * sign, var, norm.training, norm.eps, slope, world
    )
    if norm.training:
        follow(norm, mean * sign, var, index.numel() * world)
    return out


def edges(
    x: Float[Tensor, "b n d"],
    index: Int[Tensor, "b n k"],
    weight: Float[Tensor, "e d2"],
    norm: nn.BatchNorm1d,
    slope: float,
) -> Float[Tensor, "b n k e"]:
    """Return the same before the max, for layers that go on over the edges: only the product is saved."""
    u, v = split_product(x, weight).chunk(2, dim=-1)
    y = edge_kernels.gather(u, index) + v[:, :, None]
    normed: Tensor = norm(y.flatten(0, 2)).view_as(y)
    return nn.functional.leaky_relu(normed, slope)


def split_product(x: Float[Tensor, "b n d"], weight: Float[Tensor, "e d2"]) -> Float[Tensor, "b n e2"]:
    """Return u and v side by side, where weight · (x_j - x_i, x_i) = u_j + v_i."""
    relative, own = weight.chunk(2, dim=1)
    both = torch.cat([relative, own - relative])
    if x.shape[-1] <= 4:
        # Coordinates of neighbours differ in the digits that bf16 drops, and this product costs nothing.
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.linear(x.to(both.dtype), both)
    return nn.functional.linear(x, both).to(both.dtype)
