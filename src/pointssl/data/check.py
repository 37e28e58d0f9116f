"""What is wrong with these clouds? Asked before training, because afterwards it looks like a bad method.

Fatal is what would stop or spoil a training: files that cannot be read, numbers that are not finite, too few points,
clouds without extent. The rest are warnings (perhaps meant so) and notes (worth knowing).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from rich.table import Table

from pointssl.data.cloud import Cloud, Dataset, Points
from pointssl.data.files.folder import read_entries
from pointssl.data.files.scan import Entry, Failure, scan
from pointssl.data.splits import first_clouds
from pointssl.data.store.dataset import PackedDataset, is_store
from pointssl.errors import DataError
from pointssl.progress import track

_Clouds = Iterator[tuple[str, Cloud | Failure]]
"""What to call each cloud in the report, and the cloud."""

EXAMPLES = 5
"""Clouds that are named for each finding."""


OF_ENDLESS = 256
"""Clouds that are looked at where there is no last one."""


class Trouble(Enum):
    """Everything that is looked for, worst first: how bad it is, what it is, and what to do."""

    UNREADABLE = ("fatal", "cannot be read", "repair or remove the files; packing leaves them out")
    NOT_FINITE = ("fatal", "NaN or infinite coordinates", "remove these points, or the clouds")
    EMPTY = ("fatal", "no points", "remove these clouds")
    ONE_PLACE = ("fatal", "all points in one place", "remove these clouds")
    TOO_FEW = ("fatal", "fewer points than needed", "train with fewer points per cloud, or sample more")
    REPEATED = ("warning", "most points are copies of other points", "was a small cloud filled up?")
    TWIN = ("warning", "the same cloud as another", "remove copies, above all across splits")
    FAR = ("warning", "over 1,000 times its own size from the origin", "centre clouds before they become float32")
    MIXED_UNITS = ("warning", "over 100 times larger or smaller than the rest", "are the units mixed?")
    ABSURD_SCALE = ("warning", "extent over 1e6 or under 1e-6", "check the units")
    LEFT_OUT = ("warning", "could not be read when the store was packed", "repair the files and pack again")
    IGNORED = ("note", "files of other kinds, not looked at", "nothing, if they are no clouds")
    FLAT = ("note", "flat: all points in one plane", "nothing, if it is a wall or a floor")

    @property
    def severity(self) -> str:
        """`fatal`, `warning` or `note`."""
        return self.value[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of trouble and where it was seen."""

    trouble: Trouble
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a check; no findings means nothing to say."""

    name: str
    clouds: int
    """Clouds that could be read."""
    points: tuple[int, int] | None
    """Fewest and most points of a cloud; None where no cloud could be read."""
    findings: tuple[Finding, ...]

    @property
    def fatal(self) -> bool:
        """Whether training should not start."""
        return any(finding.trouble.severity == "fatal" for finding in self.findings)

    def table(self) -> Table:
        """Return the findings as a table for the terminal, worst first."""
        size = "" if self.points is None else f", {self.points[0]} to {self.points[1]} points each"
        table = Table(title=f"{self.name}: {self.clouds} clouds{size}", title_justify="left")
        for column in ("", "finding", "count", "for example", "what to do"):
            table.add_column(column, overflow="fold")
        for one in self.findings:
            severity, what, advice = one.trouble.value
            examples = ", ".join(one.examples) + (", ..." if one.count > len(one.examples) else "")
            table.add_row(severity, what, str(one.count), examples, advice)
        if not self.findings:
            table.add_row("ok", "nothing wrong was found", "", "", "")
        return table


def check(source: Dataset | str | Path, *, needed_points: int = 1024) -> Report:
    """Read every cloud of a data set, packed store, folder or file once, and report what is wrong.

    A packed store is also compared with its checksums. `needed_points` is what the model will take from each cloud.

    Raises:
        DataError: there is nothing to look at (a missing path, an empty folder).
    """
    seen: dict[Trouble, list[str]] = {trouble: [] for trouble in Trouble}
    extents: list[tuple[str, float]] = []
    first_with: dict[bytes, str] = {}
    sizes: list[int] = []
    name, total, clouds = _open(source, seen)
    for who, cloud in track(clouds, f"checking {name}", total):
        if isinstance(cloud, Failure):
            seen[Trouble.UNREADABLE].append(f"{who} {cloud.reason}")
            continue
        sizes.append(len(cloud.points))
        for trouble in judge(cloud.points, needed_points):
            few = f" ({len(cloud.points)})" if trouble is Trouble.TOO_FEW else ""
            seen[trouble].append(who + few)
        if len(cloud.points) and np.isfinite(cloud.points).all():
            extents.append((who, _extent(cloud.points)))
            # Columns sorted apart: the same for any order of the points, and different for different clouds.
            digest = hashlib.sha256(np.sort(cloud.points, axis=0).tobytes()).digest()
            if digest in first_with:
                seen[Trouble.TWIN].append(f"{who} = {first_with[digest]}")
            first_with.setdefault(digest, who)
    seen[Trouble.MIXED_UNITS] += _odd_sizes(extents)
    findings = tuple(
        Finding(trouble=trouble, count=len(where), examples=tuple(where[:EXAMPLES]))
        for trouble, where in seen.items()
        if where
    )
    return Report(name=name, clouds=len(sizes), points=(min(sizes), max(sizes)) if sizes else None, findings=findings)


def judge(points: Points, needed_points: int) -> list[Trouble]:
    """Return what is wrong with one cloud by itself, worst first."""
    if len(points) == 0:
        return [Trouble.EMPTY]
    if not np.isfinite(points).all():
        return [Trouble.NOT_FINITE]
    extent = _extent(points)
    if extent == 0:
        return [Trouble.ONE_PLACE]
    found: list[Trouble] = []
    if len(points) < needed_points:
        found.append(Trouble.TOO_FEW)
    # One number per point that no two different points share but by chance; sorting rows is ten times slower.
    if 2 * len(np.unique(points @ np.array([1, np.sqrt(2), np.pi]))) < len(points):
        found.append(Trouble.REPEATED)
    if float(np.abs(points).max()) > 1000 * extent:
        found.append(Trouble.FAR)
    if not 1e-6 <= extent <= 1e6:
        found.append(Trouble.ABSURD_SCALE)
    if is_flat(points):
        found.append(Trouble.FLAT)
    return found


def is_flat(points: Points) -> bool:
    """Tell whether the points lie in one plane, to a ten-thousandth of the cloud's own spread."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    spread = np.linalg.eigvalsh(centred.T @ centred)  # squared, smallest first
    return bool(spread[0] <= 1e-8 * spread[-1])


def _extent(points: Points) -> float:
    """Return the longest side of the bounding box."""
    return float((points.max(axis=0).astype(np.float64) - points.min(axis=0)).max())


def _odd_sizes(extents: Sequence[tuple[str, float]]) -> list[str]:
    """Return the clouds whose size is not that of the others: metres among millimetres."""
    usual = float(np.median([extent for _, extent in extents])) if extents else 0.0
    return [
        f"{name} ({extent:.3g}, usually {usual:.3g})"
        for name, extent in extents
        if extent > 0 and not usual / 100 <= extent <= usual * 100
    ]


def _open(source: Dataset | str | Path, seen: dict[Trouble, list[str]]) -> tuple[str, int, _Clouds]:
    """Return name, number and clouds of whatever is to be checked; note what is known without reading clouds."""
    if not isinstance(source, str | Path):
        source = first_clouds(source, OF_ENDLESS)
        return source.name, len(source), _clouds_of(source)
    if is_store(source):
        packed = PackedDataset(source)
        try:
            packed.verify()
        except DataError as error:
            seen[Trouble.UNREADABLE].append(str(error))
        seen[Trouble.LEFT_OUT] += [failure["file"] for failure in packed.manifest.failures]
        return packed.name, len(packed), _clouds_of(packed)
    listing = scan(source)
    root = f"{listing.root}/"
    seen[Trouble.UNREADABLE] += [str(failure).removeprefix(root) for failure in listing.failures]
    seen[Trouble.IGNORED] += [f"{count} {ending}" for ending, count in listing.ignored]
    entries = read_entries(listing.entries, listing.classes, points=2048, seed=0)
    return listing.name, len(listing.entries), _short_names(entries, root)


def _short_names(entries: Iterator[tuple[Entry, Cloud | Failure]], root: str) -> _Clouds:
    for _, cloud in entries:
        where = str(cloud.path) if isinstance(cloud, Failure) else cloud.origin
        yield where.removeprefix(root), cloud


def _clouds_of(dataset: Dataset) -> _Clouds:
    for index in range(len(dataset)):
        try:
            cloud = dataset[index]
            yield cloud.origin or cloud.name or str(index), cloud
        except DataError as error:
            yield f"{index}:", Failure(path=Path(f"{dataset.name}[{index}]"), reason=str(error))
