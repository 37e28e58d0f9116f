"""A folder of files as a data set: every file is read once, what fits stays in memory, what cannot be read is listed.

Meant for some thousand clouds. More are packed first (`pack`), which reads in parallel and once for all later runs.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import final

import numpy as np

from pointssl.data.cloud import Cloud, Labels, Points
from pointssl.data.files import readers
from pointssl.data.files.scan import Entry, Failure, choose_split, scan
from pointssl.errors import DataError
from pointssl.progress import track


def read_entries(
    entries: Sequence[Entry], classes: Sequence[str], *, points: int, seed: int
) -> Iterator[tuple[Entry, Cloud | Failure]]:
    """Yield every entry with its cloud, labelled by its place in `classes`, or with why there is none.

    Neighbouring entries of one file, in rising order of their places, are read in one go.
    """
    number = {name: place for place, name in enumerate(classes)}
    for path, group in groupby(entries, key=lambda entry: entry.path):
        wanted = {entry.place: entry for entry in group}
        first, last = min(wanted), max(wanted)
        try:
            clouds = readers.iterate_clouds(path, points=points, seed=seed, start=first, stop=last + 1)
            for place, cloud in enumerate(clouds, start=first):
                entry = wanted.pop(place, None)
                if entry is not None:
                    yield entry, replace(cloud, label=None if entry.label is None else number[entry.label])
        except DataError as error:
            for entry in wanted.values():
                yield entry, Failure.of(path, error)


def require_readable(root: Path, failures: Sequence[Failure], files: int, *, strict: bool) -> None:
    """Stop where a folder is not what it was taken for.

    Raises:
        DataError: any failure if `strict`; else where more than half of the files cannot be read.
    """
    if not failures:
        return
    if strict:
        raise DataError(f"{failures[0]} (strict: every file must be readable)")
    failed = len({failure.path for failure in failures})
    if 2 * failed > files:
        raise DataError(
            f"{root}: only {files - failed} of {files} files can be read; the first that cannot: {failures[0]}; "
            "remove or repair them"
        )


@final
class FolderDataset:
    """The clouds of a folder (or list, or file), read once when it is opened and again when memory is short.

    Files that cannot be read are left out and listed in `failures`; with `strict` the first one stops.
    """

    def __init__(
        self,
        path: str | Path,
        split: str = "all",
        *,
        list_file: str | Path | None = None,
        labelled: bool = True,
        points: int = 2048,
        seed: int = 0,
        strict: bool = False,
        memory: int = 2**30,
    ) -> None:
        listing = scan(path, list_file, labelled=labelled)
        entries = choose_split(listing, split)
        self.listing = listing
        self._points, self._seed, self._memory = points, seed, memory
        self._kept: OrderedDict[int, Cloud] = OrderedDict()
        self._bytes = 0
        self._entries: list[Entry] = []
        self._names: list[str] = []
        failures = list(listing.failures)
        digest = hashlib.sha256(repr((points, seed, listing.classes)).encode())
        read = read_entries(entries, listing.classes, points=points, seed=seed)
        for entry, cloud in track(read, f"reading {listing.name}", len(entries)):
            if isinstance(cloud, Failure):
                failures.append(cloud)
                if strict:
                    break
                continue
            digest.update(repr((cloud.label, cloud.points.shape)).encode() + cloud.points.tobytes())
            self._keep(len(self._entries), cloud)
            self._names.append(cloud.name)
            self._entries.append(entry)
        files = len({entry.path for entry in entries} | {failure.path for failure in listing.failures})
        require_readable(Path(path), failures, files, strict=strict)
        self.failures = tuple(failures)
        self._name, self._fingerprint = f"{listing.name}/{split}", digest.hexdigest()

    @property
    def name(self) -> str:
        """Name of the folder and the split."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, of the whole folder whatever the split."""
        return self.listing.classes

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return list(self._names)

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None for an unlabelled folder."""
        if not self._entries or self._entries[0].label is None:
            return None
        number = {name: place for place, name in enumerate(self.classes)}
        return np.array([number[entry.label] for entry in self._entries if entry.label is not None], dtype=np.int64)

    @property
    def fingerprint(self) -> str:
        """Digest of all coordinates and labels."""
        return self._fingerprint

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Cloud:
        place = range(len(self))[index]  # raises IndexError past the end
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        [(_, cloud)] = read_entries([self._entries[place]], self.classes, points=self._points, seed=self._seed)
        if isinstance(cloud, Failure):
            raise DataError(f"{cloud} (it could be read before: has the file changed?)")
        self._keep(place, cloud)
        return cloud

    def xyz(self, index: int) -> Points:
        """Return the coordinates alone."""
        return self[index].points

    def _keep(self, place: int, cloud: Cloud) -> None:
        """Remember a cloud, and forget those not asked for longest while there are too many bytes."""
        self._kept[place] = cloud
        self._bytes += _size(cloud)
        while self._bytes > self._memory and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= _size(gone)


def _size(cloud: Cloud) -> int:
    return cloud.points.nbytes + sum(values.nbytes for values in cloud.channels.values())
