"""Files as a data set: a folder, a list, an archive, or the layout of a public set, where each file holds clouds.

A folder is read once when it is opened, and what cannot be read is left out and listed. Public layouts are known to be
whole, and are read when their clouds are asked for. What fits stays in memory. Meant for some thousand clouds; more
are packed first (`pack`), which reads in parallel and once for all later runs.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import final

import numpy as np

from pointssl.data.cloud import Cloud, Labels, Points, Up
from pointssl.data.files import readers
from pointssl.data.files.isolation import Request, apart, read_each
from pointssl.data.files.scan import Entry, Failure, Listing, choose_split, scan
from pointssl.errors import DataError
from pointssl.progress import track

MEMORY = 2**30
"""Bytes of clouds that are kept."""


@final
class FileDataset:
    """A `Dataset` over files; `read` returns the cloud of an entry, whose name and class are filled in here."""

    def __init__(
        self,
        entries: Sequence[Entry],
        read: Callable[[Entry], Cloud],
        *,
        name: str,
        classes: Sequence[str],
        fingerprint: str,
        kept: "Kept | None" = None,
        listing: Listing | None = None,
        failures: Sequence[Failure] = (),
        up: Up = "y",
    ) -> None:
        self.up: Up = up
        self.entries, self.name, self.classes, self.fingerprint = tuple(entries), name, tuple(classes), fingerprint
        self.listing, self.failures = listing, tuple(failures)
        self._read, self._kept = read, Kept(MEMORY) if kept is None else kept
        number = {one: place for place, one in enumerate(self.classes)}
        labels = [number[entry.label] for entry in self.entries if entry.label is not None]
        self._labels = np.array(labels, np.int64) if labels and len(labels) == len(self.entries) else None

    @property
    def names(self) -> list[str]:
        """Name of every cloud."""
        return [entry.name for entry in self.entries]

    @property
    def paths(self) -> list[Path]:
        """File of every cloud."""
        return [entry.path for entry in self.entries]

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None where one has none."""
        return None if self._labels is None else self._labels.copy()

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Cloud:
        """Return the cloud from memory, or read it (again)."""
        place = range(len(self))[index]  # raises IndexError past the end
        cloud = self._kept.get(place)
        if cloud is None:
            entry = self.entries[place]
            label = None if entry.label is None else self.classes.index(entry.label)
            cloud = replace(self._read(entry), label=label, name=entry.name)
            self._kept.put(place, cloud)
        return cloud

    def xyz(self, index: int) -> Points:
        """Return the coordinates alone; do not write into them."""
        return self[index].points


@final
class Kept:
    """Clouds in memory; those not asked for longest are forgotten while there are too many bytes."""

    def __init__(self, memory: int) -> None:
        self._memory, self._bytes = memory, 0
        self._clouds: OrderedDict[int, Cloud] = OrderedDict()

    def get(self, place: int) -> Cloud | None:
        """Return the cloud at `place`, if it is here."""
        if place in self._clouds:
            self._clouds.move_to_end(place)
        return self._clouds.get(place)

    def put(self, place: int, cloud: Cloud) -> None:
        """Keep a cloud, at the cost of others."""
        self._clouds[place] = cloud
        self._bytes += _size(cloud)
        while self._bytes > self._memory and len(self._clouds) > 1:
            self._bytes -= _size(self._clouds.popitem(last=False)[1])


def open_files(
    path: str | Path,
    split: str = "all",
    *,
    list_file: str | Path | None = None,
    labelled: bool = True,
    points: int = 2048,
    seed: int = 0,
    strict: bool = False,
    memory: int = MEMORY,
    columns: Sequence[str] | None = None,
    name: str = "",
) -> FileDataset:
    """Read a folder, list or file once; what cannot be read is left out, with `strict` the first such stops.

    Raises:
        DataError: nothing there, no such split, or most files cannot be read.
    """
    listing = scan(path, list_file, labelled=labelled)
    chosen = choose_split(listing, split)
    entries: list[Entry] = []
    kept, failures = Kept(memory), list(listing.failures)
    digest = hashlib.sha256(repr((points, seed, listing.classes, columns)).encode())
    read = read_entries(chosen, listing.classes, points=points, seed=seed, columns=columns)
    for entry, cloud in track(read, f"reading {listing.name}", len(chosen)):
        if isinstance(cloud, Failure):
            failures.append(cloud)
            if strict:
                break
            continue
        digest.update(repr((cloud.label, cloud.points.shape)).encode() + cloud.points.tobytes())
        kept.put(len(entries), cloud)
        entries.append(entry)
    require_readable(Path(path), failures, chosen, strict=strict)
    return FileDataset(
        entries,
        partial(_read_again, listing.classes, points, seed, columns),
        name=f"{name or listing.name}/{split}",
        classes=listing.classes,
        fingerprint=digest.hexdigest(),
        kept=kept,
        listing=listing,
        failures=failures,
    )


def open_listed(
    entries: Sequence[Entry], read: Callable[[Path], Cloud], *, name: str, classes: Sequence[str], up: Up = "y"
) -> FileDataset:
    """Open files of one cloud each that are known to be there; each is read when it is asked for.

    The fingerprint is of names, classes and sizes: contents are not read, a file changed in place passes unseen.

    Raises:
        DataError: no files, or some are missing.
    """
    if not entries:
        raise DataError(f"{name} has no files")
    missing = [entry.path for entry in entries if not entry.path.is_file()]
    if missing:
        raise DataError(
            f"{name} is not complete: {len(missing)} of {len(entries)} files are missing, first {missing[0]}"
        )
    known = [(entry.name, entry.label, entry.path.name, entry.path.stat().st_size) for entry in entries]
    digest = hashlib.sha256(repr((tuple(classes), known)).encode()).hexdigest()
    return FileDataset(entries, partial(_read_path, read), name=name, classes=classes, fingerprint=digest, up=up)


def read_one(path: Path, *, columns: Sequence[str] | None = None) -> Cloud:
    """Read a file of any known kind that holds one cloud or one mesh."""
    clouds = apart(readers.read_clouds, path, columns=columns)
    if len(clouds) != 1:
        raise DataError(f"{path} must hold one cloud, got {len(clouds)}")
    return clouds[0]


def read_entries(
    entries: Sequence[Entry], classes: Sequence[str], *, points: int, seed: int, columns: Sequence[str] | None = None
) -> Iterator[tuple[Entry, Cloud | Failure]]:
    """Yield every entry with its cloud, labelled by its place in `classes`, or with why there is none.

    Neighbouring entries of one file, in rising order of their places, are read in one go; whatever a file does to its
    parser, the others go on (`isolation.py`).
    """
    number = {name: place for place, name in enumerate(classes)}
    groups = [list(group) for _, group in groupby(entries, key=lambda entry: entry.path)]
    wanted = [{entry.place: entry for entry in group} for group in groups]
    requests = [
        Request(group[0].path, min(places), max(places) + 1) for group, places in zip(groups, wanted, strict=True)
    ]
    for which, place, cloud in read_each(requests, points=points, seed=seed, columns=columns):
        if isinstance(cloud, DataError):
            failed = list(wanted[which]) if place is None else [place]
            for entry in [wanted[which].pop(one) for one in failed if one in wanted[which]]:
                yield entry, Failure.of(entry.path, cloud)
        elif place is not None and place in wanted[which]:
            entry = wanted[which].pop(place)
            label = None if entry.label is None else number[entry.label]
            yield entry, replace(cloud, label=label, name=entry.name or cloud.name)


def require_readable(root: Path, failures: Sequence[Failure], entries: Sequence[Entry], *, strict: bool) -> None:
    """Stop where a folder is not what it was taken for; a file counts as readable if one of its `entries` is.

    Raises:
        DataError: any failure if `strict`; else where more than half of the files cannot be read.
    """
    if not failures:
        return
    if strict:
        raise DataError(f"{failures[0]} (strict: every file must be readable)")
    known, failed = Counter(entry.path for entry in entries), Counter(failure.path for failure in failures)
    readable = sum(failed[path] < count for path, count in known.items())
    files = len(known | failed)
    if 2 * readable < files:
        raise DataError(
            f"{root}: only {readable} of {files} files can be read; the first that cannot: {failures[0]}; "
            "remove or repair them"
        )


def _read_again(classes: Sequence[str], points: int, seed: int, columns: Sequence[str] | None, entry: Entry) -> Cloud:
    [(_, cloud)] = read_entries([entry], classes, points=points, seed=seed, columns=columns)
    if isinstance(cloud, Failure):
        raise DataError(f"{cloud} (it could be read before: has the file changed?)")
    return cloud


def _read_path(read: Callable[[Path], Cloud], entry: Entry) -> Cloud:
    return read(entry.path)


def _size(cloud: Cloud) -> int:
    return cloud.points.nbytes + sum(values.nbytes for values in cloud.channels.values())
