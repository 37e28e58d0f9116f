"""The packed store: clouds in memory-mapped shards beside a manifest that knows what they are and where they come from.

    OUT/manifest.json            format, classes, a table of the clouds, checksums, what could not be read
    OUT/shard-00000/points.npy   float32 (clouds, points, 3); or (all points, 3) where clouds differ in size, with
    OUT/shard-00000/offset.npy   int64: cloud i is rows offset[i] to offset[i+1]
    OUT/shard-00000/normal.npy   one such array per channel

Arrays are plain npy, so that a store can be read without this library. A random read is one copy out of the page cache.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from pointssl.data.cloud import Cloud, Labels, Points, Up
from pointssl.data.store.manifest import (
    MANIFEST,
    Manifest,
    Shard,
    Table,
    read_manifest,
    sample,
    sha256,
    whole_labels,
    write_manifest,
)
from pointssl.errors import DataError, nearest
from pointssl.files import atomic_folder

OFFSET = "offset.npy"


def write_store(
    path: str | Path,
    clouds: Iterable[Cloud],
    *,
    classes: Sequence[str] = (),
    splits: Sequence[str] | None = None,
    shard_clouds: int = 256,
) -> None:
    """Write clouds that are at hand as a store, atomically; `pack` does the same for many files, in parallel.

    Raises:
        DataError: `path` exists, or clouds of which only some have a label.
    """
    path = Path(path)
    if path.exists():
        raise DataError(f"{path} exists already; delete it or choose another name")
    names: list[str] = []
    sources: list[str] = []
    labels: list[int | None] = []
    shards: list[Shard] = []
    waiting = iter(clouds)
    with atomic_folder(path) as partial:
        while some := list(islice(waiting, shard_clouds)):
            folder = partial / shard_name(len(shards))
            folder.mkdir()
            shards.append(write_shard(folder, some, folder.name))
            names += [cloud.name for cloud in some]
            sources += [cloud.origin for cloud in some]
            labels += [cloud.label for cloud in some]
        manifest = Manifest(
            name=path.name,
            classes=list(classes),
            shards=shards,
            clouds=Table(
                name=names,
                source=sources,
                split=["all"] * len(names) if splits is None else list(splits),
                label=whole_labels(path, labels),
            ),
            failures=[],
            ignored={},
            settings={},
        )
        write_manifest(partial, manifest)


def shard_name(number: int) -> str:
    """Return the folder name of a shard."""
    return f"shard-{number:05d}"


def write_shard(folder: Path, clouds: Sequence[Cloud], name: str) -> Shard:
    """Write the arrays of some clouds into `folder` and describe them as shard `name`; equal sizes need no offsets."""
    sizes = [len(cloud.points) for cloud in clouds]
    equal = len(set(sizes)) == 1
    absent: dict[str, list[int]] = {}
    arrays: dict[str, NDArray[Any]] = {"points": np.concatenate([cloud.points for cloud in clouds])}
    for channel in sorted({key for cloud in clouds for key in cloud.channels}):
        pattern = next(cloud.channels[channel] for cloud in clouds if channel in cloud.channels)
        missing = [place for place, cloud in enumerate(clouds) if channel not in cloud.channels]
        if missing:
            absent[channel] = missing
        rows = [
            cloud.channels.get(channel, np.zeros((size, pattern.shape[1]), pattern.dtype))
            for cloud, size in zip(clouds, sizes, strict=True)
        ]
        arrays[channel] = np.concatenate(rows)
    for channel, values in arrays.items():
        _save(folder / f"{channel}.npy", values.reshape(len(clouds), sizes[0], -1) if equal else values)
    if not equal:
        _save(folder / OFFSET, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    files = sorted(folder.glob("*.npy"))
    return Shard(
        folder=name,
        clouds=len(clouds),
        files={file.name: sha256(file) for file in files},
        sizes={file.name: file.stat().st_size for file in files},
        samples={file.name: sample(file) for file in files},
        absent=absent,
    )


class _Stream(NamedTuple):
    """A file that NumPy does not recognise as one."""

    write: Callable[[bytes], int]


def _save(file: Path, values: NDArray[Any]) -> None:
    """Write an npy file. Into a real file NumPy writes by itself, and then a full disk is an error without a reason."""
    with file.open("wb") as stream:
        np.save(_Stream(stream.write), values, allow_pickle=False)


def is_store(path: str | Path) -> bool:
    """Tell whether `path` is a packed store."""
    return (Path(path) / MANIFEST).is_file()


@final
class PackedDataset:
    """One split of a packed store; nothing is in memory but the manifest until clouds are asked for."""

    def __init__(self, path: str | Path, split: str = "all", *, sampled: bool = True) -> None:
        """Open a split; `sampled` compares a few pieces of every file with their checksums, as `verify` does all bytes.

        Raises:
            DataError: no store, a damaged one, or no such split.
        """
        self._path, self._split = Path(path), split
        self.manifest = read_manifest(self._path)
        table = self.manifest.clouds
        rows = [place for place, name in enumerate(table.split) if split in ("all", name)]
        if not rows:
            raise DataError(f"{path} has no split '{split}'{nearest(split, {*table.split, 'all'})}")
        self._rows = rows
        self._shards = [_OpenShard(self._path, shard, sampled) for shard in self.manifest.shards]
        # Plain lists: looking up a number in one is ten times faster than in an array.
        places = [(shard, local) for shard in self._shards for local in range(shard.clouds)]
        self._places = [places[row] for row in rows]
        labels = [] if table.label is None else [label for row in rows if (label := table.label[row]) is not None]
        self._labels = np.array(labels, dtype=np.int64) if len(labels) == len(rows) else None

    @property
    def name(self) -> str:
        """Name of the store and the split."""
        return f"{self.manifest.name}/{self._split}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, the same for all splits."""
        return tuple(self.manifest.classes)

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None where one has none."""
        return None if self._labels is None else self._labels.copy()

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return [self.manifest.clouds.name[row] for row in self._rows]

    @property
    def up(self) -> Up:
        """Axis that points up, as far as it was known when the store was packed."""
        up = self.manifest.settings.get("up", "y")
        return up if up in ("x", "y", "z") else "y"

    @property
    def part_names(self) -> tuple[str, ...]:
        """What the numbers of the channel `part` mean, as far as it was known when the store was packed."""
        return tuple(str(name) for name in self.manifest.settings.get("part_names", ()))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the store."""
        return tuple(sorted(set(self.manifest.clouds.split)))

    @property
    def fingerprint(self) -> str:
        """Digest of the checksums of all shards, the classes, labels and splits."""
        content = [self._split, self.manifest.classes, self.manifest.clouds.label, self.manifest.clouds.split]
        files = [shard.files for shard in self.manifest.shards]
        return hashlib.sha256(json.dumps([content, files], sort_keys=True).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Cloud:
        shard, local = self._places[range(len(self))[index]]  # range raises IndexError past the end
        row, table = self._rows[index], self.manifest.clouds
        return Cloud(
            points=shard.read("points", local),
            channels={key: shard.read(key, local) for key in shard.channels if local not in shard.absent.get(key, ())},
            label=None if table.label is None else table.label[row],
            name=table.name[row],
            origin=table.source[row],
        )

    def xyz(self, index: int) -> Points:
        """Return the coordinates alone: a copy, because the file must not be written to."""
        shard, local = self._places[index]
        return shard.read("points", local)

    def verify(self) -> None:
        """Compare every file with its checksum; reads the whole store.

        Raises:
            DataError: naming the files that have changed or are missing.
        """
        damaged = [
            f"{shard.folder}/{name}"
            for shard in self.manifest.shards
            for name, digest in shard.files.items()
            if not (self._path / shard.folder / name).is_file() or sha256(self._path / shard.folder / name) != digest
        ]
        if damaged:
            raise DataError(f"{self._path} is damaged: {', '.join(damaged[:5])} changed since packing; pack it again")

    def __reduce__(self) -> tuple[type["PackedDataset"], tuple[Path, str]]:
        """Travel to other processes as a path: pickled maps would carry all points along."""
        return PackedDataset, (self._path, self._split)


@final
class _OpenShard:
    """Arrays of one shard, mapped into memory when they are first asked for."""

    def __init__(self, path: Path, shard: Shard, sampled: bool) -> None:
        self._folder = path / shard.folder
        for name, size in shard.sizes.items():
            file = self._folder / name
            found = file.stat().st_size if file.is_file() else None
            if found != size:
                what = "is missing" if found is None else f"has {found} of {size} bytes"
                raise DataError(f"{file} {what}: the store is damaged; pack the data again")
            if sampled and shard.samples.get(name) not in (None, sample(file)):
                raise DataError(f"{path} is damaged: {shard.folder}/{name} changed since packing; pack it again")
        self.clouds = shard.clouds
        self.absent = {key: set(rows) for key, rows in shard.absent.items()}
        self.channels = tuple(name.removesuffix(".npy") for name in shard.files if name not in ("points.npy", OFFSET))
        offset = self._folder / OFFSET
        self._offset = np.load(offset, allow_pickle=False).tolist() if OFFSET in shard.files else None
        self._arrays: dict[str, NDArray[Any]] = {}

    def read(self, channel: str, local: int) -> NDArray[Any]:
        """Return a copy of one cloud's rows."""
        array = self._arrays.get(channel)
        if array is None:
            # As a plain array: numpy's memmap class costs microseconds at every access.
            array = np.asarray(np.load(self._folder / f"{channel}.npy", mmap_mode="r", allow_pickle=False))
            self._arrays[channel] = array
        rows = local if self._offset is None else slice(self._offset[local], self._offset[local + 1])
        return np.array(array[rows])
