"""The few structures that every layer shares: a batch of clouds, what an encoder makes of it, what a step returns."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class CloudBatch:
    """Clouds of equal size, with their places in the data set they came from."""

    xyz: Float[Tensor, "b n 3"]
    label: Int[Tensor, "b"] | None = None
    """Class of each cloud; None for unlabelled data."""
    index: Int[Tensor, "b"] | None = None
    """Position of each cloud in its data set."""
    point_label: Int[Tensor, "b n"] | None = None
    """Part or segment of each point, where the data has one."""

    def to(self, device: torch.device | str) -> "CloudBatch":
        """Return the same batch on `device`."""
        return CloudBatch(
            xyz=self.xyz.to(device, non_blocking=True),
            label=None if self.label is None else self.label.to(device, non_blocking=True),
            index=None if self.index is None else self.index.to(device, non_blocking=True),
            point_label=None if self.point_label is None else self.point_label.to(device, non_blocking=True),
        )

    def pin_memory(self) -> "CloudBatch":
        """Return the same batch in page-locked memory, for asynchronous copies to a GPU."""
        return CloudBatch(
            xyz=self.xyz.pin_memory(),
            label=None if self.label is None else self.label.pin_memory(),
            index=None if self.index is None else self.index.pin_memory(),
            point_label=None if self.point_label is None else self.point_label.pin_memory(),
        )


@dataclass(frozen=True, slots=True)
class Features:
    """What an encoder says of a batch: one vector per point and one per cloud."""

    points: Float[Tensor, "b n d"]
    pooled: Float[Tensor, "b e"]


@dataclass(frozen=True, slots=True)
class StepOutput:
    """The loss of one batch, and detached scalars worth logging (names as in the method's page)."""

    loss: Float[Tensor, ""]
    logs: dict[str, Tensor] = field(default_factory=dict)
