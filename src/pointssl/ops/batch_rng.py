"""Random numbers, so many per cloud, that several processes draw as one process would have drawn them alone."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pointssl.ops import distributed


class Draws:
    """Random numbers for some clouds of a larger batch.

    The numbers are drawn for `total` clouds and those from `first` on are handed out, so that processes which share a
    seed and split a batch draw together what one process would have drawn alone. They lie on the generator's device;
    without a generator they come from torch's own state, on the CPU.
    """

    def __init__(
        self, generator: torch.Generator | None, clouds: int, first: int = 0, total: int | None = None
    ) -> None:
        self.generator, self.clouds, self.total = generator, clouds, clouds if total is None else total
        self.device = torch.device("cpu") if generator is None else generator.device
        self.part = slice(first, first + clouds)
        if first + clouds > self.total:
            raise ValueError(f"total must be at least {first + clouds} clouds, got {self.total}")

    @classmethod
    def of_process(cls, generator: torch.Generator | None, clouds: int) -> "Draws":
        """Return this process's share of what all processes draw, each for `clouds` clouds and from the same seed."""
        return cls(generator, clouds, distributed.rank() * clouds, distributed.world() * clouds)

    def spread(self, count: int | None) -> tuple[Int[Tensor, "s"], float]:
        """Return which of these clouds are among `count` that lie evenly in the whole batch (all, without a count).

        The second value is what a mean over them must be taken times, so that the mean over processes is the mean over
        the `count` clouds.
        """
        if count is None or count >= self.total:
            return torch.arange(self.clouds), 1.0
        rows = torch.arange(count) * self.total // count - self.part.start
        own = rows[(rows >= 0) & (rows < self.clouds)]
        return own, len(own) * self.total / (self.clouds * count)

    def uniform(self, *shape: int) -> Float[Tensor, "b *shape"]:
        """Return numbers in [0, 1)."""
        return torch.rand(self.total, *shape, generator=self.generator, device=self.device)[self.part]

    def normal(self, *shape: int) -> Float[Tensor, "b *shape"]:
        """Return standard normal numbers."""
        return torch.randn(self.total, *shape, generator=self.generator, device=self.device)[self.part]
