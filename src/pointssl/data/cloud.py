"""One cloud as it lies in a file, and what a data set must offer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8

Points = Float32[np.ndarray, "n 3"]
Channel = Shaped[np.ndarray, "n c"]
Up = Literal["x", "y", "z"]
Labels = Int64[np.ndarray, " m"]

LARGEST = 1e18
"""Coordinates beyond have no square in float32: the whole cloud would become zeros."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points with named channels: `normal` (n, 3), `color` (n, 3) in [0, 1], `intensity` (n, 1), `part` (n, 1) int."""

    points: Points
    channels: Mapping[str, Channel] = field(default_factory=dict)
    label: int | None = None
    """Index into the data set's `classes`; None for unlabelled data."""
    name: str = ""
    """What to call the cloud in tables and pictures."""
    origin: str = ""
    """The file (and the place in it) that the cloud was read from."""


def no_shape(points: Points) -> str | None:
    """Return why these points are no shape that anything could be learned from, or None: told of a cloud that has some.

    One sentinel of 1e30 among good points is enough: the others would all lie in one place beside it.
    """
    if not np.isfinite(points).all():
        return "NaN or infinite coordinates"
    if float(np.abs(points).max(initial=0)) > LARGEST:
        return f"coordinates beyond {LARGEST:g}, such as a sensor's mark for no echo"
    if len(points) > 1 and (points == points[0]).all():
        return "all its points in one place"
    return None


@runtime_checkable
class Dataset(Protocol):
    """A sequence of clouds, one split of a data set; the same index always gives the same cloud."""

    @property
    def name(self) -> str:
        """What to call it in tables, split included: `modelnet40/train`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty for unlabelled data."""

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None for unlabelled data."""

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes when the content does; kept in every run's record."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Cloud:
        """Return the cloud with everything that is known of it; raises IndexError past the end."""

    def xyz(self, index: int) -> Points:
        """Return the coordinates alone, as cheaply as the storage allows; all stored points, stored order."""


@runtime_checkable
class Oriented(Protocol):
    """A data set that knows how its clouds stand."""

    @property
    def up(self) -> Up:
        """Axis that points up in all of its clouds."""


@runtime_checkable
class HasPointLabels(Protocol):
    """A data set that says of every stored point what it is a part of."""

    def point_label(self, index: int) -> Labels:
        """Return the part of every stored point in stored order, -1 where it has none."""


def up_of(dataset: Dataset) -> Up:
    """Return which axis of a data set's clouds points up; y, as in most sets of shapes, where it does not say."""
    return dataset.up if isinstance(dataset, Oriented) else "y"


@runtime_checkable
class Sealed(Protocol):
    """Data on the disk with checksums, such as a packed store."""

    def verify(self) -> None:
        """Compare all bytes with their checksums; raises `DataError` where they differ."""


def verify(data: object) -> None:
    """Compare all bytes of `data` with their checksums, where it has some; raises `DataError` where they differ."""
    if isinstance(data, Sealed):
        data.verify()


@runtime_checkable
class Views(Protocol):
    """Rendered pictures of objects, equally many and of equal size of each."""

    @property
    def count(self) -> int:
        """Pictures of each object."""

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes when the pictures do."""

    def views(self, row: int, which: Int64[np.ndarray, " v"]) -> UInt8[np.ndarray, "v c h w"]:
        """Return pictures `which` of object `row`."""
