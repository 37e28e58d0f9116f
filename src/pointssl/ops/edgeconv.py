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


def edge_conv(
    x: Float[Tensor, "b n d"],
    index: Int[Tensor, "b n k"],
    weight: Float[Tensor, "e d2"],
    norm: nn.BatchNorm1d,
    slope: float,
) -> Float[Tensor, "b n e"]:
    """Return max_j leaky_relu(norm(weight · (x_j - x_i, x_i))) over the neighbours j = `index` of i.

    `slope` is the leaky ReLU's, at least 0. In training mode the running statistics of `norm` follow.
    """
    # Turned over where the scale is negative, so that only a max is ever needed.
    sign = torch.where(norm.weight < 0, -1.0, 1.0).to(weight.dtype)
    u, v = split_product(x, weight * sign[:, None])
    peak, total = gather_max_sum(u, index)
    mean, var = _edge_statistics(u, v, total, index, norm, sign)
    out = (peak + (v - mean)) * (norm.weight * sign * torch.rsqrt(var + norm.eps)) + norm.bias
    return nn.functional.leaky_relu(out, slope)


def edges(
    x: Float[Tensor, "b n d"],
    index: Int[Tensor, "b n k"],
    weight: Float[Tensor, "e d2"],
    norm: nn.BatchNorm1d,
    slope: float,
) -> Float[Tensor, "b n k e"]:
    """Return the same before the max, for layers that go on over the edges: only the product is saved."""
    u, v = split_product(x, weight)
    y = gather(u, index) + v[:, :, None]
    normed: Tensor = norm(y.flatten(0, 2)).view_as(y)
    return nn.functional.leaky_relu(normed, slope)


def split_product(
    x: Float[Tensor, "b n d"], weight: Float[Tensor, "e d2"]
) -> tuple[Float[Tensor, "b n e"], Float[Tensor, "b n e"]]:
    """Return u and v with weight · (x_j - x_i, x_i) = u_j + v_i, in one product."""
    relative, own = weight.chunk(2, dim=1)
    uv = nn.functional.linear(x, torch.cat([relative, own - relative])).to(weight.dtype)
    u, v = uv.chunk(2, dim=-1)
    return u, v


def gather_max_sum(
    u: Float[Tensor, "b n e"], index: Int[Tensor, "b n k"]
) -> tuple[Float[Tensor, "b n e"], Float[Tensor, "b n e"]]:
    """Return max and sum of u_j over the neighbours j of every point; a max attained twice follows the first."""
    return gather_max_sum_plain(u, index)


def gather_max_sum_plain(
    u: Float[Tensor, "b n e"], index: Int[Tensor, "b n k"]
) -> tuple[Float[Tensor, "b n e"], Float[Tensor, "b n e"]]:
    """Return the same through a gathered (b, n, k, e) tensor: the oracle of the fast path."""
    gathered = gather(u, index)
    return gathered.max(dim=2).values, gathered.sum(dim=2)


def gather(x: Float[Tensor, "b n d"], index: Int[Tensor, "b m k"]) -> Float[Tensor, "b m k d"]:
    """Return x_j for every j in `index`."""
    b, m, k = index.shape
    return x.gather(1, index.reshape(b, m * k, 1).expand(-1, -1, x.shape[-1])).view(b, m, k, -1)


def _edge_statistics(
    u: Float[Tensor, "b n e"],
    v: Float[Tensor, "b n e"],
    total: Float[Tensor, "b n e"],
    index: Int[Tensor, "b n k"],
    norm: nn.BatchNorm1d,
    sign: Float[Tensor, "e"],
) -> tuple[Float[Tensor, "e"], Float[Tensor, "e"]]:
    """Mean and biased variance of u_j + v_i over all edges of the batch, or the running ones in evaluation mode."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    if not norm.training:
        return norm.running_mean * sign, norm.running_var
    b, n, k = index.shape
    degree = torch.zeros(b, n, dtype=u.dtype, device=u.device)
    degree.scatter_add_(1, index.flatten(1), torch.ones_like(degree[:, :1]).expand(-1, n * k))
    mean_u, mean_v = total.mean(dim=(0, 1)) / k, v.mean(dim=(0, 1))
    du, dv = u - mean_u, v - mean_v
    var = (
        (degree[..., None] * du.square()).sum(dim=(0, 1)) / (b * n * k)
        + dv.square().mean(dim=(0, 1))
        + 2 * (dv * (total - k * mean_u)).mean(dim=(0, 1)) / k
    )
    with torch.no_grad():
        edges = b * n * k
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(((mean_u + mean_v) * sign).to(norm.running_mean.dtype), norm.momentum)
        norm.running_var.lerp_((var * (edges / max(1, edges - 1))).to(norm.running_var.dtype), norm.momentum)
    return mean_u + mean_v, var
