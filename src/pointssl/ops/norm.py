"""The running statistics of a batch norm whose batch statistics were computed elsewhere, in closed form."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def frozen(norm: nn.BatchNorm1d) -> tuple[Float[Tensor, "e"], Float[Tensor, "e"]]:
    """Return the running mean and variance; raises ValueError for a norm that keeps none."""
    if norm.running_mean is None or norm.running_var is None or norm.momentum is None:
        raise ValueError("norm must keep running statistics with a momentum, as BatchNorm1d does by default")
    return norm.running_mean, norm.running_var


@torch.no_grad()
def follow(norm: nn.BatchNorm1d, mean: Float[Tensor, "e"], var: Float[Tensor, "e"], count: int) -> None:
    """Move the running statistics towards a batch of `count` values; `var` is biased, the kept one is not."""
    running_mean, running_var = frozen(norm)
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    running_mean.lerp_(mean.to(running_mean.dtype), norm.momentum)
    running_var.lerp_((var * (count / max(1, count - 1))).to(running_var.dtype), norm.momentum)
