"""Data sets without an end, and those that make clouds of any size: how the rest of the library tells them apart.

An endless set has no `len`: asking for it is an error that says how to name a number, so nothing loops over it by
mistake.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64

from pointssl.data.cloud import Dataset
from pointssl.errors import SettingError


@runtime_checkable
class Sampled(Protocol):
    """A data set that draws as many points on a shape as it is asked for, many shapes at once."""

    def sample(
        self, indices: Int64[np.ndarray, " b"], points: int, *, seed: int = 0, allow_repeats: bool = False
    ) -> Float32[np.ndarray, "b n 3"]:
        """Return `points` points of every cloud, a function of (index, points, seed) alone.

        `allow_repeats` is for sets that hold stored clouds as well, which may have too few.
        """


@runtime_checkable
class Endless(Protocol):
    """A data set that may have no end: any index from 0 on is a cloud of it."""

    @property
    def endless(self) -> bool:
        """Whether there is no last cloud."""


def is_endless(dataset: Dataset) -> bool:
    """Tell whether a data set has no last cloud."""
    return isinstance(dataset, Endless) and dataset.endless


def size_of(dataset: Dataset) -> int | None:
    """Return the number of clouds, None where there is no end."""
    return None if is_endless(dataset) else len(dataset)


def spread_over(dataset: Dataset, count: int) -> Int64[np.ndarray, " c"]:
    """Return up to `count` places, evenly spread; of an endless set the first ones, which training never reaches."""
    size = size_of(dataset)
    if size is None:
        return np.arange(count, dtype=np.int64)
    return np.unique(np.linspace(0, size - 1, count).astype(np.int64))


def no_end(name: str, hint: str) -> SettingError:
    """Return the error for whoever asks an endless set for its end."""
    return SettingError(f"{name} has no end, and here a number of clouds is needed; {hint}")
