"""The few structures that every layer shares: a batch of clouds, what an encoder makes of it, what a step returns."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import torch
from jaxtyping import Float, Int, UInt8
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

    views: UInt8[Tensor, "b v c h w"] | None = None
    """Rendered images of each cloud's object, where the method works with them and the data has them."""

    def to(self, device: torch.device | str) -> "CloudBatch":
        """Return the same batch on `device`."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "CloudBatch":
        """Return the same batch in page-locked memory, for asynchronous copies to a GPU."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> "CloudBatch":
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: change(value) for name, value in held.items() if value is not None})


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
