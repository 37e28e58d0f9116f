"""Files named one by one, each one cloud: what the folder layouts of the public sets come down to.

Clouds are read when they are asked for and stay in memory while there is room, so opening a set of ten thousand files
takes no time. Packing it first (`pointssl data pack`) reads every file once and for all.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from pointssl.data.cloud import Cloud, Labels, Points
from pointssl.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One cloud's file, its class and its name."""

    path: Path
    label: int | None
    name: str


@final
class ListedDataset:
    """A `Dataset` over files; `read` turns a path into a cloud, label and name are filled in here."""

    def __init__(
        self,
        files: Sequence[ListedFile],
        read: Callable[[Path], Cloud],
        *,
        name: str,
        classes: Sequence[str],
        memory: int = 2**30,
    ) -> None:
        if not files:
            raise DataError(f"{name} has no files")
        missing = [file.path for file in files if not file.path.is_file()]
        if missing:
            raise DataError(
                f"{name} is not complete: {len(missing)} of {len(files)} files are missing, first {missing[0]}"
            )
        self._files, self._read, self._memory = list(files), read, memory
        self._name, self._classes = name, tuple(classes)
        self._kept: OrderedDict[int, Cloud] = OrderedDict()
        self._bytes = 0

    @property
    def name(self) -> str:
        """Name of the set and the split."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, the same for all splits."""
        return self._classes

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return [file.name for file in self._files]

    @property
    def paths(self) -> list[Path]:
        """File of every cloud."""
        return [file.path for file in self._files]

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None where one has none."""
        found = [file.label for file in self._files if file.label is not None]
        return np.array(found, dtype=np.int64) if len(found) == len(self._files) else None

    @property
    def fingerprint(self) -> str:
        """Digest of names, classes and file sizes: contents are not read, a file changed in place passes unseen."""
        told = [(file.name, file.label, file.path.name, file.path.stat().st_size) for file in self._files]
        return hashlib.sha256(repr((self._classes, told)).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Cloud:
        """Read the cloud, or take it from memory."""
        place = range(len(self))[index]  # raises IndexError past the end
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        file = self._files[place]
        cloud = replace(self._read(file.path), label=file.label, name=file.name, origin=str(file.path))
        self._kept[place] = cloud
        self._bytes += _size(cloud)
        while self._bytes > self._memory and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return cloud

    def xyz(self, index: int) -> Points:
        """Return the coordinates alone; do not write into them."""
        return self[index].points


def read_one(path: Path) -> Cloud:
    """Read a file of any known kind that holds one cloud or one mesh."""
    from pointssl.data.files.readers import read_clouds

    clouds = read_clouds(path)
    if len(clouds) != 1:
        raise DataError(f"{path} must hold one cloud, got {len(clouds)}")
    return clouds[0]


def read_columns(path: Path, *, delimiter: str | None = None) -> Cloud:
    """Read rows of x y z nx ny nz [part] as ModelNet's and ShapeNetPart's text layouts have them."""
    try:
        table = np.loadtxt(path, dtype=np.float32, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path} is not a table of numbers: {error}") from error
    if table.shape[1] not in (6, 7) or len(table) == 0:
        raise DataError(f"{path} must have rows of 6 or 7 numbers (x y z nx ny nz part), got shape {table.shape}")
    channels = {"normal": np.ascontiguousarray(table[:, 3:6])}
    if table.shape[1] == 7:
        channels["part"] = table[:, 6:].astype(np.int32)
    return Cloud(points=np.ascontiguousarray(table[:, :3]), channels=channels)


def _size(cloud: Cloud) -> int:
    return cloud.points.nbytes + sum(values.nbytes for values in cloud.channels.values())
