"""Clouds that lie one after the other in a single array, in memory or mapped from a file.

The plainest data set there is, and what most downloads become once they are read: one array of points, where each
cloud ends, and what is known of each. Coordinates stay as they are stored, and are scaled and (float64 and wide
integers) moved towards zero on the way out, so that a mapped file of a hundred gigabytes costs no memory.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
from jaxtyping import Int64, Shaped
from numpy.typing import NDArray

from pointssl.data.cloud import Cloud, Labels, Points, Up
from pointssl.data.files.cloud import as_part, settle, told


@final
class ArrayDataset:
    """A `Dataset` over arrays: `points` of shape (b, n, 3), or of shape (m, 3) with `offsets` for unequal sizes.

    Cloud i of the second form is `points[offsets[i] : offsets[i + 1]]`. Channels have the shape of `points` with their
    own last axis. `scale` turns stored coordinates into the ones handed out; `rows` says where in `origin` each lay;
    `part_names` what the numbers of the channel `part` mean.
    """

    def __init__(
        self,
        points: Shaped[np.ndarray, "*size 3"],
        *,
        name: str,
        offsets: Int64[np.ndarray, " o"] | None = None,
        classes: Sequence[str] = (),
        labels: Sequence[int] | Shaped[np.ndarray, " b"] | None = None,
        channels: Mapping[str, Shaped[np.ndarray, "*size c"]] | None = None,
        names: Sequence[str] | Shaped[np.ndarray, " b"] | None = None,
        origin: str = "",
        rows: Int64[np.ndarray, " b"] | None = None,
        scale: float = 1.0,
        up: Up = "y",
        part_names: Sequence[str] = (),
    ) -> None:
        channels = channels or {}
        for key, channel in channels.items():
            if channel.shape[:-1] != points.shape[:-1]:
                raise ValueError(f"channel '{key}' must have shape {points.shape[:-1]} + (c,), got {channel.shape}")
        if offsets is None:
            if points.ndim != 3:
                raise ValueError(f"points must have shape (b, n, 3) or come with offsets, got {points.shape}")
            offsets = np.arange(len(points) + 1, dtype=np.int64) * points.shape[1]
        elif points.ndim != 2 or len(offsets) < 1 or offsets[0] != 0 or np.any(np.diff(offsets) < 0):
            raise ValueError(f"offsets must rise from 0 over points of shape (m, 3), got {offsets}, {points.shape}")
        elif offsets[-1] > len(points):
            raise ValueError(f"offsets must end at or before the {len(points)} points, got {offsets[-1]}")
        self._points = points.reshape(-1, 3)  # a view, also of a mapped file
        self._channels = {key: channel.reshape(len(self._points), -1) for key, channel in channels.items()}
        self._offsets, self._name, self._origin, self._scale = offsets, name, origin, scale
        self._classes = tuple(str(c) for c in classes)
        self._labels = None if labels is None else as_part(np.asarray(labels)).astype(np.int64)
        self._names = None if names is None else [str(n) for n in names]
        self._rows = np.arange(len(offsets) - 1) if rows is None else rows
        self.up: Up = up
        self.part_names = tuple(part_names)
        self._check_labels()

    def _check_labels(self) -> None:
        """One label, name and row per cloud, labels inside the classes."""
        for what, values in (("labels", self._labels), ("names", self._names), ("rows", self._rows)):
            if values is not None and len(values) != len(self):
                raise ValueError(f"{what} must have one entry for each of the {len(self)} clouds, got {len(values)}")
        if self._labels is None or len(self._labels) == 0:
            return
        highest = len(self._classes) - 1 if self._classes else int(self._labels.max())
        if self._labels.max() > highest:
            found = f"{self._labels.min()} to {self._labels.max()}"
            raise ValueError(f"labels must be 0 to {highest} (there are {len(self._classes)} classes), got {found}")

    @property
    def name(self) -> str:
        """What to call it in tables, split included."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty for unlabelled data."""
        return self._classes

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None where one has none (-1 or NaN)."""
        return None if self._labels is None or (self._labels < 0).any() else self._labels

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return [self._called(index) for index in range(len(self))]

    def _called(self, index: int) -> str:
        return self._names[index] if self._names is not None else f"{self.name}/{self._rows[index]}"

    @cached_property
    def fingerprint(self) -> str:
        """Digest of coordinates, sizes, labels, class names and channels; read once, then remembered."""
        digest = hashlib.sha256(repr((self._scale, self._classes)).encode())
        arrays = [("points", self._points), ("offsets", self._offsets), *sorted(self._channels.items())]
        if self._labels is not None:
            arrays.append(("labels", self._labels))
        for key, values in arrays:
            digest.update(f"{key} {values.dtype} {values.shape}".encode())
            for start in range(0, len(values), 1 << 20):  # blocks, so that a mapped file is never whole in memory
                digest.update(np.ascontiguousarray(values[start : start + (1 << 20)]).data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def _span(self, index: int) -> slice:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} clouds, there is no cloud {index}")
        index %= len(self)
        return slice(int(self._offsets[index]), int(self._offsets[index + 1]))

    def xyz(self, index: int) -> Points:
        """Return the coordinates of one cloud, scaled; a fresh array, safe to write to."""
        return self._settled(index)[0]

    def _settled(self, index: int) -> tuple[Points, NDArray[Any] | None]:
        """Return the coordinates and what was subtracted from them, as float64 (and wide integers) may need it."""
        stored = self._points[self._span(index)]
        if stored.dtype.itemsize <= 4 and stored.dtype != np.int32 and stored.dtype != np.uint32:
            return np.multiply(stored, np.float32(self._scale), dtype=np.float32), None
        return settle(np.multiply(stored, self._scale, dtype=np.float64))

    def __getitem__(self, index: int) -> Cloud:
        """Return one cloud with its label, name and channels."""
        span = self._span(index)
        index %= len(self)
        points, shift = self._settled(index)
        return Cloud(
            points=points,
            channels={key: np.array(values[span]) for key, values in self._channels.items()},
            label=None if self._labels is None or self._labels[index] < 0 else int(self._labels[index]),
            name=self._called(index),
            origin=(f"{self._origin}#{self._rows[index]}" if self._origin else "") + told(shift),
        )
