"""A running average of the weights, which is often a better encoder than the last weights.

Source: B. T. Polyak, A. B. Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim.
1992, in the exponential form that is common today.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn

from pointssl.errors import RunError
from pointssl.runs.weights import key_report


@final
class Average:
    """Exponential average of a module's weights and running statistics; whole-number buffers are copied."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the module after `step` updates; early on the memory is shorter, (1 + step) / (10 + step)."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            kept = self.tensors[name]
            if kept.is_floating_point():
                kept.lerp_(value, weight)
            else:
                kept.copy_(value)

    def load(self, tensors: Mapping[str, Tensor], where: Path) -> None:
        """Take over averages from a file; raises `RunError` where names or shapes differ."""
        report = key_report(self.tensors, tensors)
        if report:
            raise RunError(f"{where} does not fit the network its config.json describes: {report}")
        for name, kept in self.tensors.items():
            kept.copy_(tensors[name])
