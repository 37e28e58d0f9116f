"""Linear map, batch norm, activation, max over the points of each cloud: without ever holding a mapped point.

The statistics of y = W x over all points follow from the mean and the covariance of x: W x̄ and the diagonal of
W C Wᵀ. Batch norm and leaky ReLU rise monotonically in each channel (one of negative scale is turned over first), so
only the largest y of each channel and cloud counts: y is made block by block and thrown away. On the way back one point
per channel and cloud carries a gradient, a sparse product; the statistics send back x times a small d × d matrix. Of
three dense products one is left, and two thin ones.

Source of the layer: C. R. Qi et al., "PointNet", CVPR 2017; the rearrangement is ours. Differs: at a scale of exactly 0
all points tie; the gradient of the scale then follows the largest linear response.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.ops import distributed
from pointssl.ops.kernels import native
from pointssl.ops.kernels.norm import follow, frozen, world_of

BLOCK_CPU = 1 << 18
"""Most mapped values held at once on a processor: a block stays in its cache."""
BLOCK_GPU = 1 << 26
"""The same on other devices."""
COLUMNS = 128
"""Width of the strips in which the upper half of a covariance is made."""


def linear_norm_max(
    x: Float[Tensor, "b n d"], weight: Float[Tensor, "e d"], norm: nn.BatchNorm1d, slope: float
) -> Float[Tensor, "b e"]:
    """Return max over n of leaky_relu(norm(weight · x)); `slope` is at least 0, and 1 for no activation.

    In training mode the running statistics of `norm` follow. The product obeys autocast, statistics have the weights'
    own precision.
    """
    sign = torch.where(norm.weight < 0, -1.0, 1.0).to(weight.dtype)
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    mean, var = frozen(norm)
    gain, world = norm.weight * sign, world_of(norm)
    turned, start = weight * sign[:, None], mean * sign
    out: Tensor
    out, _, _, mean, var, _, _ = norm_max(
        x.to(dtype), turned, gain, norm.bias, start, var, norm.training, norm.eps, slope, world
    )
    if norm.training:
        follow(norm, mean * sign, var, x.shape[0] * x.shape[1] * world)
    return out


@torch.library.custom_op("pointssl::linear_norm_max", mutates_args=())
def norm_max(
    x: Tensor,
    weight: Tensor,
    gain: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    training: bool,
    eps: float,
    slope: float,
    world: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return leaky_relu(norm(max W x)) and what the way back needs; `gain`, the norm's scale, must not be negative.

    Statistics are those of the points of all `world` processes. Returns out and max less mean (b, e), the point of each
    max (b, e), mean and biased variance (e); in training also the mean (d) and the covariance (d, d) of x, else nothing
    in their place.
    """
    rounded = weight.to(x.dtype)
    fast = _fast(weight)
    best, place = (_largest_fast if fast else _largest_plain)(x, rounded)
    centre, cov = _moments(x, weight.dtype, world) if training else (weight.new_empty(0), weight.new_empty(0))
    if training:
        exact = rounded.to(weight.dtype)
        mean = exact @ centre
        var = ((exact @ cov) * exact).sum(dim=1).clamp_min(0)
    else:
        mean, var = mean.to(weight.dtype, copy=True), var.to(weight.dtype, copy=True)
    peak = best.to(weight.dtype) - mean
    out = nn.functional.leaky_relu(peak * (gain * torch.rsqrt(var + eps)) + bias, slope)
    return out, peak, place, mean, var, centre, cov


@norm_max.register_fake
def _(
    x: Tensor, weight: Tensor, *rest: Tensor | int | float
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    training = rest[4]
    e, d = weight.shape
    out = weight.new_empty(x.shape[0], e)
    moments = (weight.new_empty(d), weight.new_empty(d, d)) if training else (weight.new_empty(0), weight.new_empty(0))
    statistics = weight.new_empty(e), weight.new_empty(e)
    return out, torch.empty_like(out), torch.empty_like(out, dtype=torch.int64), *statistics, *moments


@torch.library.custom_op("pointssl::linear_norm_max_backward", mutates_args=())
def norm_max_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    gain: Tensor,
    bias: Tensor,
    peak: Tensor,
    place: Tensor,
    var: Tensor,
    centre: Tensor,
    cov: Tensor,
    training: bool,
    eps: float,
    slope: float,
    world: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of x, weight, gain and bias."""
    b, n, d = x.shape
    rstd = torch.rsqrt(var + eps)
    scale = gain * rstd
    g = torch.where(peak * scale + bias > 0, grad, slope * grad)
    sum_g, sum_gy = g.sum(dim=0), (g * peak).sum(dim=0)
    exact = weight.to(x.dtype).to(weight.dtype)
    if training:
        # Every point gets back -(constant + linear · (y - m)) in each channel, which in x is an affine map.
        all_g, all_gy = distributed.total(torch.stack([sum_g, sum_gy]), world)
        count = b * n * world
        constant, linear = scale * all_g / count, scale * rstd.square() * all_gy / count
        inner = exact.mT @ (linear[:, None] * exact)  # (d, d)
        shift = centre @ inner - constant @ exact
        dx = torch.addmm(shift.to(x.dtype), x.reshape(b * n, d), -inner.to(x.dtype)).view(b, n, d).to(weight.dtype)
        # With the moments of all processes this is the mean over them of what each sends back: averaging keeps it.
        dweight = -(b * n) * (constant[:, None] * centre + linear[:, None] * (exact @ cov))
    else:
        dx, dweight = torch.zeros_like(x, dtype=weight.dtype), torch.zeros_like(weight)
    (_add_chosen_fast if _fast(weight) else _add_chosen_plain)(scale * g, place, x, exact, dx, dweight)
    return dx.to(x.dtype), dweight, rstd * sum_gy, sum_g


@norm_max_backward.register_fake
def _(
    _grad: Tensor, x: Tensor, weight: Tensor, gain: Tensor, bias: Tensor, *_: Tensor | int | float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), torch.empty_like(weight), torch.empty_like(gain), torch.empty_like(bias)


def _save(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[object, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, gain, bias, _, _, *settings = inputs
    _, peak, place, _, var, centre, cov = output
    ctx.save_for_backward(x, weight, gain, bias, peak, place, var, centre, cov)  # type: ignore[arg-type]
    ctx.settings = settings  # type: ignore[attr-defined]


def _back(ctx: torch.autograd.function.FunctionCtx, grad: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    saved: tuple[Tensor, ...] = ctx.saved_tensors  # type: ignore[attr-defined]
    grads = norm_max_backward(grad, *saved, *ctx.settings)  # type: ignore[attr-defined]
    return (*grads, None, None, None, None, None, None)


norm_max.register_autograd(_back, setup_context=_save)


def _fast(weight: Float[Tensor, "e d"]) -> bool:
    """Whether the compiled kernels can work beside this layer's products."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and native.available()


def _largest_fast(x: Float[Tensor, "b n d"], weight: Float[Tensor, "e d"]) -> tuple[Tensor, Tensor]:
    b, n, _ = x.shape
    e = len(weight)
    best, place = torch.empty(b, e), torch.empty(b, e, dtype=torch.int64)
    rows = min(n, max(1, BLOCK_CPU // e))
    room, columns = torch.empty(rows, e, dtype=x.dtype), weight.mT
    for cloud in range(b):
        for start in range(0, n, rows):
            here = x[cloud, start : start + rows]
            y = torch.mm(here, columns, out=room[: len(here)])
            native.call("max_rows", y.float(), len(here), e, start, best[cloud], place[cloud])
    return best, place


def _largest_plain(x: Float[Tensor, "b n d"], weight: Float[Tensor, "e d"]) -> tuple[Tensor, Tensor]:
    """Max of weight · x over the points of each cloud, and which point gave it."""
    block = BLOCK_CPU if x.device.type == "cpu" else BLOCK_GPU
    size = max(1, block // (x.shape[1] * len(weight)))
    parts = [(part @ weight.mT).max(dim=1) for part in x.split(size)]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def _moments(
    x: Float[Tensor, "b n d"], dtype: torch.dtype, world: int
) -> tuple[Float[Tensor, "d"], Float[Tensor, "d d"]]:
    """Mean and biased covariance of all points of all processes, centred before they are multiplied."""
    b, n, d = x.shape
    centre = distributed.total(x.mean(dim=(0, 1), dtype=dtype), world) / world
    cov = torch.zeros(d, d, dtype=dtype, device=x.device)
    rows = max(1, (BLOCK_CPU if x.device.type == "cpu" else BLOCK_GPU) // d)
    for part in x.reshape(b * n, d).split(rows):
        offset = part.to(dtype) - centre
        for start in range(0, d, COLUMNS):  # the upper half is enough
            cov[start : start + COLUMNS, start:].addmm_(offset[:, start : start + COLUMNS].mT, offset[:, start:])
    upper = distributed.total(cov.triu_(), world) / (b * n * world)
    return centre, upper + upper.triu(1).mT


def _add_chosen_fast(sent: Tensor, place: Tensor, x: Tensor, weight: Tensor, dx: Tensor, dweight: Tensor) -> None:
    b, n, d = x.shape
    native.call("scatter_rows", sent, place, weight.contiguous(), b, n, len(weight), d, dx)
    native.call("gather_rows", sent, place, x.float().contiguous(), b, n, len(weight), d, dweight)


def _add_chosen_plain(
    sent: Float[Tensor, "b e"],
    place: Tensor,
    x: Float[Tensor, "b n d"],
    weight: Float[Tensor, "e d"],
    dx: Float[Tensor, "b n d"],
    dweight: Float[Tensor, "e d"],
) -> None:
    """Add in place what flows through the point of each max: `sent` times its channel's row, and times the point."""
    for cloud in range(len(x)):
        dx[cloud].index_add_(0, place[cloud], sent[cloud, :, None] * weight)
        dweight.addcmul_(sent[cloud, :, None], x[cloud, place[cloud]].to(dweight.dtype))
