"""What a backbone offers when its pooled feature is the max of what every point says alone.

For such a network all ways to leave out parts of a cloud follow from one pass over the points.
"""

from typing import Protocol, TypeGuard, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class MaxPooled(Protocol):
    """A backbone that may pool by max; implement both to have all masked clouds at once."""

    @property
    def pools_by_max(self) -> bool:
        """Whether, in evaluation mode, `Features.pooled` is the max over the points of `before_max`."""

    def before_max(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n e"]:
        """Return what every point offers to the max, each from its own coordinates alone."""


def pools_by_max(network: object) -> TypeGuard[MaxPooled]:
    """Whether all masked forms of a cloud follow from one look at its points."""
    return isinstance(network, MaxPooled) and network.pools_by_max
