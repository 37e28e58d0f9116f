"""Sums over the processes of a run, inside functions that gradients flow through.

Every process back-propagates the mean loss of its own clouds, and the gradients of the weights are averaged afterwards.
What goes back through a mean over all processes is then the mean of what comes in, over all processes.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def world() -> int:
    """Return the number of processes that work together, 1 for a process alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process among them, 0 for a process alone."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def total(x: Float[Tensor, "*shape"], world: int) -> Float[Tensor, "*shape"]:
    """Return the sum of `x` over all processes, or `x` itself where there is one; gradients stop here."""
    if world == 1:
        return x
    x = x.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(x)
    return x


@torch.library.custom_op("pointssl::mean_over_processes", mutates_args=())
def mean(x: Tensor, world: int) -> Tensor:
    """Return the mean of `x` over all processes, which gradients flow through; a compiler does not look inside."""
    return total(x, world) / world


@mean.register_fake
def _(x: Tensor, _world: int) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _save(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, int], output: Tensor) -> None:  # noqa: ARG001
    ctx.world = inputs[1]  # type: ignore[attr-defined]


def _back(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
    return mean(grad, ctx.world), None  # type: ignore[attr-defined]


mean.register_autograd(_back, setup_context=_save)


class _Gather(torch.autograd.Function):
    """All processes' rows; back goes the sum over the processes of what they say about one's own rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        first = rank() * ctx.rows
        return total(grad, world())[first : first + ctx.rows]


def gather(x: Float[Tensor, "b *d"]) -> Float[Tensor, "a *d"]:
    """Return the rows of all processes in the order of their ranks, which must hold equally many; gradients flow.

    The gradient is the sum over the processes: where each back-propagates the mean loss of its own clouds and the
    gradients of the weights are averaged afterwards, that is the gradient of the mean loss of all clouds.
    """
    if world() == 1:
        return x
    gathered: Tensor = _Gather.apply(x)  # type: ignore[no-untyped-call]
    return gathered
