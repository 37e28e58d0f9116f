"""How clouds are read, said once: a run, an evaluation, a measurement of interactions and a report hold the same."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Int64

from pointssl.data.batches import stack
from pointssl.data.cloud import Dataset, Up, up_of
from pointssl.errors import SettingError
from pointssl.types import CloudBatch

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfig:
    """How the clouds of a data set become arrays of equal size."""

    points: int = 1024
    """Points per cloud, drawn from the stored ones."""
    normalise: bool = True
    """Centre every cloud to its mean and scale it to the unit sphere."""
    allow_repeats: bool = False
    """Use points of a cloud twice where it has fewer than asked for, instead of stopping."""
    up: Up | None = None
    """Axis of the clouds that points up; the data set's own when not given."""

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ValueError(f"points must be at least 1, got {self.points}")

    def with_points(self, points: int | None) -> "ReadConfig":
        """Return the same with another number of points, where one is given; raises `SettingError` for one below 1."""
        try:
            return self if points is None else replace(self, points=points)
        except ValueError as error:
            raise SettingError(str(error)) from error

    def batch(self, dataset: Dataset, index: Sequence[int] | Int64[np.ndarray, " b"], *, seed: int = 0) -> CloudBatch:
        """Return some clouds, their points drawn by (seed, index); raises `DataError` as `stack`."""
        return stack(dataset, index, self.points, seed=seed, normalise=self.normalise, allow_repeats=self.allow_repeats)

    def up_in(self, dataset: Dataset) -> Up:
        """Return which axis of a data set's clouds points up."""
        return self.up or up_of(dataset)


def oriented(settings: T, up: Up) -> T:
    """Return settings in which every `up` that was left to the data set is `up`."""
    if isinstance(settings, tuple):
        return cast(T, tuple(oriented(one, up) for one in settings))
    if not is_dataclass(settings):
        return settings
    found: dict[str, Any] = {field.name: getattr(settings, field.name) for field in fields(settings)}
    changed = {name: up if name == "up" and value is None else oriented(value, up) for name, value in found.items()}
    return cast(T, replace(cast(Any, settings), **changed))
