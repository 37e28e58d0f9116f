"""The inside of an edge convolution, after its product: gather, batch norm over all edges, activation, max; and back.

With y_e = u_j + v_i on the edge e = (i, j), mean m, variance s² and E edges, and g the gradient before the activation
(zero off the chosen edges), batch norm sends back to every edge a·(g_e - Σg/E - (y_e - m)·Σg(y - m)/(s²E)), a = γ/s.
Summed over the edges out of i that needs Σ_j u_j, over those into j the in-degree and Σ_i v_i: one pass each way.

Two forms of both directions: compiled kernels (`native`), and plain torch in bounded memory, for all devices and types.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pointssl.ops import distributed
from pointssl.ops.kernels import native

GATHERED = 1 << 25
"""Most values of a gathered (clouds, n, k, e) tensor that the plain form holds at once."""


@torch.library.custom_op("pointssl::edge_norm_max", mutates_args=())
def norm_max(
    uv: Tensor,
    index: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    training: bool,
    eps: float,
    slope: float,
    world: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return leaky_relu(norm(max_j u_j + v_i)) and what the way back needs; `weight` must not be negative.

    uv is (b, n, 2e), index (b, n, k), the rest (e); statistics are those of the edges of all `world` processes. Returns
    out, max less mean, the neighbour that gave it, Σ_j u_j (all (b, n, e)), in-degree (b, n), mean and biased variance
    (e); the given mean and variance outside training.
    """
    b, n, k = index.shape
    e = uv.shape[-1] // 2
    fast = _fast(uv)
    degree = _degree(index, uv.dtype, fast=fast) if training else uv.new_empty(0)
    peak, slot, total, sums = (_gather_fast if fast else _gather_plain)(uv, index, degree, training)
    if training:
        points, edges = b * n * world, b * n * k * world
        total_mean, product, mean_v, square_v, mean_u, square_u = distributed.total(sums, world) / sums.new_tensor(
            [edges, edges, points, points, edges, edges]
        ).unsqueeze(1)
        # The sums over neighbours are rounded, so their own mean goes with their product, not that of u.
        covariance = product - total_mean * mean_v
        spread = (square_u - mean_u**2) + (square_v - mean_v**2) + 2 * covariance
        mean, var = (mean_u + mean_v).to(uv.dtype), spread.clamp_min(0).to(uv.dtype)
    else:
        mean, var = mean.to(uv.dtype, copy=True), var.to(uv.dtype, copy=True)
    scale = weight * torch.rsqrt(var + eps)
    if fast:
        out = torch.empty_like(peak)
        native.call("edge_finish", uv, b * n, e, mean, scale, bias.contiguous(), slope, peak, out)
    else:
        peak = peak + (uv[..., e:] - mean)
        out = torch.nn.functional.leaky_relu(peak * scale + bias, slope)
    return out, peak, slot, total, degree, mean, var


@norm_max.register_fake
def _(
    uv: Tensor, index: Tensor, *rest: Tensor | int | float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    training = rest[4]
    b, n, _ = index.shape
    e = uv.shape[-1] // 2
    out = uv.new_empty(b, n, e)
    slot = uv.new_empty(b, n, e, dtype=torch.int16)
    total, degree = (uv.new_empty(b, n, e), uv.new_empty(b, n)) if training else (uv.new_empty(0), uv.new_empty(0))
    return out, torch.empty_like(out), slot, total, degree, uv.new_empty(e), uv.new_empty(e)


@torch.library.custom_op("pointssl::edge_norm_max_backward", mutates_args=())
def norm_max_backward(
    grad: Tensor,
    uv: Tensor,
    index: Tensor,
    weight: Tensor,
    bias: Tensor,
    peak: Tensor,
    slot: Tensor,
    total: Tensor,
    degree: Tensor,
    mean: Tensor,
    var: Tensor,
    training: bool,
    eps: float,
    slope: float,
    world: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of uv, weight and bias."""
    fast = _fast(uv)
    rstd = torch.rsqrt(var + eps)
    scale = weight * rstd
    grad = grad.contiguous()
    sums = (_sums_fast if fast else _sums_plain)(grad, peak, scale, bias, slope)
    everywhere = distributed.total(sums, world)
    edges = index.numel() * world if training else float("inf")  # frozen statistics send nothing back
    constant = scale * everywhere[0] / edges
    linear = scale * rstd.square() * everywhere[1] / edges
    back = _scatter_fast if fast else _scatter_plain
    duv = back(grad, uv, index, peak, slot, total, degree, mean, scale, bias, constant, linear, slope)
    return duv, rstd * sums[1], sums[0].clone()


@norm_max_backward.register_fake
def _(
    _grad: Tensor, uv: Tensor, _index: Tensor, weight: Tensor, bias: Tensor, *_: Tensor | int | float
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(uv), torch.empty_like(weight), torch.empty_like(bias)


def _save(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[object, ...], output: tuple[Tensor, ...]) -> None:
    uv, index, weight, bias, _, _, *settings = inputs
    ctx.save_for_backward(uv, index, weight, bias, *output[1:])  # type: ignore[arg-type]
    ctx.settings = settings  # type: ignore[attr-defined]


def _back(ctx: torch.autograd.function.FunctionCtx, grad: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    saved: tuple[Tensor, ...] = ctx.saved_tensors  # type: ignore[attr-defined]
    duv, dweight, dbias = norm_max_backward(grad, *saved, *ctx.settings)  # type: ignore[attr-defined]
    return duv, None, dweight, dbias, None, None, None, None, None, None


norm_max.register_autograd(_back, setup_context=_save)


def gather(x: Float[Tensor, "b n d"], index: Int[Tensor, "b m k"]) -> Float[Tensor, "b m k d"]:
    """Return x_j for every j in `index`."""
    b, m, k = index.shape
    return x.gather(1, index.reshape(b, m * k, 1).expand(-1, -1, x.shape[-1])).view(b, m, k, -1)


def _fast(uv: Float[Tensor, "b n e2"]) -> bool:
    """Whether the compiled kernels take this input; they work on float32 in vectors of 16 channels."""
    return uv.device.type == "cpu" and uv.dtype == torch.float32 and uv.shape[-1] % 32 == 0 and native.available()


def _degree(index: Int[Tensor, "b n k"], dtype: torch.dtype, *, fast: bool) -> Float[Tensor, "b n"]:
    """In how many neighbourhoods each point lies."""
    b, n, k = index.shape
    if fast:
        degree = torch.empty(b, n)
        native.call("edge_degree", index, b, n, k, degree)
        return degree
    degree = torch.zeros(b, n, dtype=dtype, device=index.device)
    return degree.scatter_add_(1, index.flatten(1), torch.ones_like(degree[:, :1]).expand(-1, n * k))


def _gather_fast(uv: Tensor, index: Tensor, degree: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    b, n, k = index.shape
    e = uv.shape[-1] // 2
    peak, slot = torch.empty(b, n, e), torch.empty(b, n, e, dtype=torch.int16)
    total = torch.empty(b, n, e) if training else torch.empty(0)
    sums = torch.empty(b, 6, e, dtype=torch.float64)
    outs = (total, sums) if training else (None, None)
    native.call("edge_gather", uv.contiguous(), index.contiguous(), b, n, k, e, degree, peak, slot, *outs)
    return peak, slot, total, sums.sum(dim=0)


def _gather_plain(uv: Tensor, index: Tensor, degree: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Max, its slot, sum over the neighbours; per channel Σ total, Σ v·total, Σ v, Σ v², Σ deg u, Σ deg u²."""
    u, v = uv.chunk(2, dim=-1)
    size = max(1, GATHERED // (index[0].numel() * u.shape[-1]))
    parts = [
        (*gathered.max(dim=2), gathered.sum(dim=2))
        for start in range(0, len(u), size)
        for gathered in [gather(u[start : start + size], index[start : start + size])]
    ]
    peak, slot, total = (torch.cat(part) for part in zip(*parts, strict=True))
    if not training:
        return peak, slot.to(torch.int16), uv.new_empty(0), uv.new_empty(6, 0)
    count, wide_u, wide_v, wide = degree[..., None].double(), u.double(), v.double(), total.double()
    terms = (wide, wide_v * wide, wide_v, wide_v.square(), count * wide_u, count * wide_u.square())
    sums = torch.stack([term.sum(dim=(0, 1)) for term in terms])
    return peak, slot.to(torch.int16), total, sums


def _sums_fast(grad: Tensor, peak: Tensor, scale: Tensor, bias: Tensor, slope: float) -> Tensor:
    points, e = peak.shape[0] * peak.shape[1], peak.shape[2]
    chunks = min(points, 64)  # a fixed number, so that the sum does not depend on the threads
    sums = torch.empty(chunks, 2, e, dtype=torch.float64)
    native.call("norm_sums", grad, peak, points, e, torch.zeros(e), scale, bias.contiguous(), slope, chunks, sums)
    return sums.sum(dim=0).float()


def _sums_plain(grad: Tensor, peak: Tensor, scale: Tensor, bias: Tensor, slope: float) -> Tensor:
    """Σ g and Σ g·(y - m) over the chosen edges, g the gradient before the activation."""
    g = torch.where(peak * scale + bias > 0, grad, slope * grad)
    return torch.stack([g.sum(dim=(0, 1)), (g * peak).sum(dim=(0, 1))])


def _scatter_fast(
    grad: Tensor,
    uv: Tensor,
    index: Tensor,
    peak: Tensor,
    slot: Tensor,
    total: Tensor,
    degree: Tensor,
    mean: Tensor,
    scale: Tensor,
    bias: Tensor,
    constant: Tensor,
    linear: Tensor,
    slope: float,
) -> Tensor:
    b, n, k = index.shape
    duv = torch.empty(uv.shape)
    kept = total if total.numel() else None
    sent = (uv.contiguous(), index.contiguous(), b, n, k, uv.shape[-1] // 2, degree, grad, peak, slot, kept)
    native.call("edge_scatter", *sent, mean, scale, bias.contiguous(), constant, linear, slope, duv)
    return duv


def _scatter_plain(
    grad: Tensor,
    uv: Tensor,
    index: Tensor,
    peak: Tensor,
    slot: Tensor,
    total: Tensor,
    degree: Tensor,
    mean: Tensor,
    scale: Tensor,
    bias: Tensor,
    constant: Tensor,
    linear: Tensor,
    slope: float,
) -> Tensor:
    """Gradient of uv: what the chosen edges carry, less what the statistics spread over all edges."""
    u, v = uv.chunk(2, dim=-1)
    chosen = scale * torch.where(peak * scale + bias > 0, grad, slope * grad)
    du, dv = torch.zeros_like(u), chosen
    du.scatter_add_(1, index.gather(2, slot.to(torch.int64)), chosen)
    if total.numel():
        each = -(constant + linear * (v - mean))  # what every edge out of i sends, but for its own u_j
        for s in range(index.shape[2]):
            du.scatter_add_(1, index[:, :, s, None].expand_as(each), each)
        du -= degree[..., None] * linear * u
        dv = dv + index.shape[2] * each - linear * total
    return torch.cat([du, dv], dim=-1)
