"""What is wrong with these clouds? Asked before training, because afterwards it looks like a bad method.

Clouds are read exactly as a training reads them. Fatal is what would stop or spoil a training: files that cannot be
read, numbers that are not finite, too few points, clouds without extent. The rest are warnings (perhaps meant so) and
notes (worth knowing). Results only: the command line makes a table of them.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from pointssl.data.cloud import LARGEST, Cloud, Dataset, Points
from pointssl.data.files.columns import parted, stated_columns
from pointssl.data.files.dataset import read_entries
from pointssl.data.files.kinds import printable
from pointssl.data.files.scan import Entry, Failure, Listing, scan
from pointssl.data.names import cloud_names
from pointssl.data.open import Data, open_dataset
from pointssl.data.split_names import looks_like_split
from pointssl.data.splits import first_clouds
from pointssl.data.store.dataset import PackedDataset, is_store
from pointssl.data.upright import probable_up, up_vote
from pointssl.errors import DataError
from pointssl.progress import track

_Clouds = Iterator[tuple[str, Cloud | Failure]]
"""What to call each cloud in the report, and the cloud."""

EXAMPLES = 5
"""Clouds that are named for each finding."""

SHAPES = frozenset(
    f".{ending}"
    for line in (
        "zip 7z tar rar bz2 xz zst tgz tbz2 off.gz obj.gz stl.gz ply.gz glb.gz las.gz laz.gz npy.gz npz.gz h5.gz",
        "fbx blend 3ds max dae step stp iges igs brep wrl x3d 3mf usd usda usdc usdz dxf dwg ifc skp sldprt",
        "vtk vtp vtu pcap pcapng bag db3 mat parquet feather rcp rcs fls fws zfs ptg",
    )
    for ending in line.split()
)
"""Endings of archives and of files that may hold shapes as well: ignoring them may lose data."""

SAMPLE = 24
"""Clouds that are kept to be drawn."""

OF_ENDLESS = 256
"""Clouds that are looked at where there is no last one."""


class Issue(Enum):
    """Everything that is looked for, worst first: how bad it is, what it is, and what to do."""

    UNREADABLE = ("fatal", "cannot be read", "repair or remove the files; packing leaves them out")
    NOT_FINITE = ("fatal", "NaN or infinite coordinates", "remove these points, or the clouds")
    BEYOND = ("fatal", "coordinates beyond 1e18", "remove these points, often a sensor's mark for no echo")
    EMPTY = ("fatal", "no points", "remove these clouds")
    ZERO_EXTENT = ("fatal", "all points in one place", "remove these clouds")
    TOO_FEW = ("fatal", "fewer points than needed", "train with fewer points per cloud, or sample more")
    REPEATED = ("warning", "most points are copies of other points", "was a small cloud filled up?")
    DUPLICATE = ("warning", "the same cloud as another", "remove copies, above all across splits")
    FAR = ("warning", "over 1,000 times its own size from the origin", "centre clouds before they become float32")
    FAR_POINTS = ("warning", "a few points lie over 100 times farther out than the rest", "remove points without data")
    SCALE_OUTLIER = ("warning", "over 100 times larger or smaller than the rest", "are the units mixed?")
    EXTREME_SCALE = ("warning", "extent over 1e6 or under 1e-6", "check the units")
    LEFT_OUT = ("warning", "could not be read when the store was packed", "repair the files and pack again")
    SPLIT_LIKE = ("warning", "classes that are called like splits", "if they are splits, put nothing else beside them")
    ONE_CLASS = ("warning", "all clouds are of one class", "is the folder one level too high?")
    NO_SPLIT = ("warning", "in no split, where others are in one", "they take part in 'all' only")
    PARTLY_LABELLED = ("warning", "without a label, where others have one", "the set counts as unlabelled")
    MIXED_UP = ("warning", "groups of files that stand differently", "turn them alike: up is one axis for all clouds")
    SAME_NAME = ("warning", "files of one name", "clouds are called after their folders too")
    LINKS = ("warning", "folders that are links, followed", "nothing, if they belong to the data")
    OTHER_SHAPES = ("warning", "may hold shapes too, but are not read", "unpack or convert them, or remove them")
    UNNAMED = ("note", "columns whose meaning is not certain, kept as 'extra'", "say what they are with --columns")
    IGNORED = ("note", "files of other kinds, not looked at", "nothing, if they are no clouds")
    FLAT = ("note", "flat: all points in one plane", "nothing, if it is a wall or a floor")

    @property
    def severity(self) -> str:
        """`fatal`, `warning` or `note`."""
        return self.value[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of issue and where it was seen."""

    issue: Issue
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
    classes: dict[str, int]
    """Clouds of every class, by its name; empty where nothing is labelled."""
    splits: dict[str, int]
    """Clouds in every split, by its name."""
    classes_from: str = ""
    """What the classes were told from."""
    splits_from: str = ""
    """What the splits were told from."""
    up: str = ""
    """The axis that probably points up, and how many clouds say so; empty where they do not agree."""
    sample: tuple[tuple[str, Float32[np.ndarray, "_ 3"]], ...] = ()
    """Names and some points of `SAMPLE` clouds, evenly spread, to be looked at."""

    @property
    def fatal(self) -> bool:
        """Whether training should not start."""
        return any(finding.issue.severity == "fatal" for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What is known of a data set before its clouds are read."""

    name: str
    total: int
    clouds: _Clouds
    names: Sequence[str]
    classes: dict[str, int]
    splits: dict[str, int]
    classes_from: str = ""
    splits_from: str = ""


def check(data: Data, *, needed_points: int = 1024, columns: Sequence[str] | None = None) -> Report:
    """Read every cloud of a data set, packed store, folder or file once, and report what is wrong.

    A packed store is also compared with its checksums. `needed_points` is what the model will take from each cloud;
    `columns` is as for `pack`.

    Raises:
        DataError: there is nothing to look at (a missing path, an empty folder).
    """
    if isinstance(data, str) and columns is None:
        data, columns = parted(data)
    columns = None if columns is None else stated_columns(columns)
    seen: dict[Issue, list[str]] = {issue: [] for issue in Issue}
    extents: list[tuple[str, float]] = []
    first_with: dict[bytes, str] = {}
    sizes: list[int] = []
    votes: list[int] = []
    stand: dict[str, list[int]] = {}
    sample: list[tuple[str, Points]] = []
    opened = _open(data, seen, columns)
    drawn = set(np.linspace(0, opened.total - 1, min(SAMPLE, opened.total)).astype(int).tolist())
    for place, (who, cloud) in enumerate(track(opened.clouds, f"checking {opened.name}", opened.total)):
        if isinstance(cloud, Failure):
            seen[Issue.UNREADABLE].append(f"{who} {cloud.reason}")
            continue
        sizes.append(len(cloud.points))
        for issue in inspect_cloud(cloud.points, needed_points):
            few = f" ({len(cloud.points)})" if issue is Issue.TOO_FEW else ""
            seen[issue].append(who + few)
        if "extra" in cloud.channels:
            seen[Issue.UNNAMED].append(f"{who} ({cloud.channels['extra'].shape[1]})")
        if len(cloud.points) and np.isfinite(cloud.points).all():
            votes.append(up_vote(cloud.points))
            stand.setdefault(_group(cloud), []).append(votes[-1])
            if place in drawn:
                sample.append((who, cloud.points[:: -(-len(cloud.points) // 2048)]))
            extents.append((who, _extent(cloud.points)))
            # Columns sorted apart: the same for any order of the points, and different for different clouds.
            digest = hashlib.sha256(np.sort(cloud.points, axis=0).tobytes()).digest()
            if digest in first_with:
                seen[Issue.DUPLICATE].append(f"{who} = {first_with[digest]}")
            first_with.setdefault(digest, who)
    seen[Issue.SCALE_OUTLIER] += _odd_sizes(extents)
    seen[Issue.MIXED_UP] += _differing(stand)
    _note_names(opened, seen)
    findings = tuple(
        Finding(issue=issue, count=len(where), examples=tuple(where[:EXAMPLES]))
        for issue, where in seen.items()
        if where
    )
    return Report(
        name=opened.name,
        clouds=len(sizes),
        points=(min(sizes), max(sizes)) if sizes else None,
        findings=findings,
        classes=opened.classes,
        splits=opened.splits,
        classes_from=opened.classes_from,
        splits_from=opened.splits_from,
        up=probable_up(votes),
        sample=tuple(sample),
    )


def inspect_cloud(points: Points, needed_points: int) -> list[Issue]:
    """Return what is wrong with one cloud by itself, worst first."""
    if len(points) == 0:
        return [Issue.EMPTY]
    if not np.isfinite(points).all():
        return [Issue.NOT_FINITE]
    if float(np.abs(points).max()) > LARGEST:
        return [Issue.BEYOND]
    extent = _extent(points)
    if extent == 0:
        return [Issue.ZERO_EXTENT]
    found: list[Issue] = []
    if len(points) < needed_points:
        found.append(Issue.TOO_FEW)
    # One number per point that no two different points share but by chance; sorting rows is ten times slower.
    if 2 * len(np.unique(points @ np.array([1, np.sqrt(2), np.pi]))) < len(points):
        found.append(Issue.REPEATED)
    bulk = _bulk(points)
    if 0 < 100 * bulk < extent:
        found.append(Issue.FAR_POINTS)
    if float(np.abs(points).max()) > 1000 * extent:
        found.append(Issue.FAR)
    if not 1e-6 <= extent <= 1e6:
        found.append(Issue.EXTREME_SCALE)
    if is_flat(points):
        found.append(Issue.FLAT)
    return found


def is_flat(points: Points) -> bool:
    """Tell whether the points lie in one plane, to a ten-thousandth of the cloud's own spread."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    spread = np.linalg.eigvalsh(centred.T @ centred)  # squared, smallest first
    return bool(spread[0] <= 1e-8 * spread[-1])


def _extent(points: Points) -> float:
    """Return the longest side of the bounding box."""
    return float((points.max(axis=0).astype(np.float64) - points.min(axis=0)).max())


def _bulk(points: Points) -> float:
    """Return twice the distance from the middle within which nine in ten points lie."""
    return 2 * float(np.quantile(np.abs(points - np.median(points, axis=0)).max(axis=1), 0.9))


def _odd_sizes(extents: Sequence[tuple[str, float]]) -> list[str]:
    """Return the clouds whose size is not that of the others: metres among millimetres."""
    usual = float(np.median([extent for _, extent in extents])) if extents else 0.0
    return [
        f"{name} ({extent:.3g}, usually {usual:.3g})"
        for name, extent in extents
        if extent > 0 and not usual / 100 <= extent <= usual * 100
    ]


def _group(cloud: Cloud) -> str:
    """Return the kind of file that a cloud is from, where its origin tells: those of one kind were written alike."""
    file = re.match(r"[^\[#(]*?(\.\w+)(?=[\[# ]|$)", Path(cloud.origin).name)
    return file[1].lower() if file else ""


def _differing(votes: dict[str, list[int]]) -> list[str]:
    """Return how the groups stand, where the axis that most of one vote for is not that of another."""
    ups = {group: up for group, own in votes.items() if (up := probable_up(own))}
    return [f"{group}: {up}" for group, up in ups.items()] if len({up[0] for up in ups.values()}) > 1 else []


def _note_names(opened: _Source, seen: dict[Issue, list[str]]) -> None:
    """Look at what classes, splits and clouds are called."""
    seen[Issue.SPLIT_LIKE] += [name for name in opened.classes if looks_like_split(name)]
    if len(opened.classes) == 1 and opened.classes_from == "folders" and opened.total > 1:
        seen[Issue.ONE_CLASS] += opened.classes
    if len(opened.splits) > 1 and "all" in opened.splits:
        seen[Issue.NO_SPLIT].append(f"{opened.splits['all']} of {opened.total} clouds")
    if opened.classes and sum(opened.classes.values()) < opened.total:
        seen[Issue.PARTLY_LABELLED].append(f"{opened.total - sum(opened.classes.values())} of {opened.total} clouds")
    seen[Issue.SAME_NAME] += [
        f"{count} x {name}" for name, count in Counter(filter(None, opened.names)).most_common() if count > 1
    ]


def _open(source: Data, seen: dict[Issue, list[str]], columns: Sequence[str] | None) -> _Source:
    """Open whatever is to be checked; note what is known without reading clouds."""
    if isinstance(source, tuple):
        train, test = (_open(part, seen, columns) for part in source)
        return replace(
            train,
            total=train.total + test.total,
            clouds=chain(train.clouds, test.clouds),
            names=[*train.names, *test.names],
            classes=dict(Counter(train.classes) + Counter(test.classes)),
            splits={"train": train.total, "test": test.total},
        )
    if isinstance(source, str) and not Path(source).expanduser().exists():
        source = open_dataset(source)
    if not isinstance(source, str | Path):
        source = first_clouds(source, OF_ENDLESS)
        return _of_dataset(source, {source.name.rpartition("/")[2] if "/" in source.name else "all": len(source)})
    source = Path(source).expanduser()
    if is_store(source):
        packed = PackedDataset(source, sampled=False)  # damage is a finding among others
        try:
            packed.verify()
        except DataError as error:
            seen[Issue.UNREADABLE].append(str(error))
        seen[Issue.LEFT_OUT] += [failure["file"] for failure in packed.manifest.failures]
        return _of_dataset(packed, dict(Counter(packed.manifest.clouds.split)))
    listing = scan(source)
    root = f"{listing.root}/"
    seen[Issue.UNREADABLE] += [str(failure).removeprefix(root) for failure in listing.failures]
    seen[Issue.LINKS] += [printable(link).removeprefix(root) for link in listing.links]
    for ending, count in listing.ignored:
        seen[Issue.OTHER_SHAPES if ending in SHAPES else Issue.IGNORED].append(f"{count} {ending}")
    return _of_listing(listing, columns)


def _of_listing(listing: Listing, columns: Sequence[str] | None) -> _Source:
    entries = read_entries(listing.entries, listing.classes, points=2048, seed=0, columns=columns)
    counts = Counter(entry.label for entry in listing.entries if entry.label is not None)
    return _Source(
        name=listing.name,
        total=len(listing.entries),
        clouds=_short_names(entries, f"{listing.root}/"),
        names=[entry.path.name if entry.place == 0 else "" for entry in listing.entries],
        classes={name: counts[name] for name in listing.classes},
        splits=dict(Counter(entry.split for entry in listing.entries)),
        classes_from=listing.labels_from,
        splits_from=listing.splits_from,
    )


def _of_dataset(dataset: Dataset, splits: dict[str, int]) -> _Source:
    counts = Counter([] if dataset.labels is None else dataset.labels.tolist())
    return _Source(
        name=dataset.name,
        total=len(dataset),
        clouds=_clouds_of(dataset),
        names=cloud_names(dataset) if hasattr(type(dataset), "names") else (),
        classes={name: counts[place] for place, name in enumerate(dataset.classes) if counts},
        splits=splits,
    )


def _short_names(entries: Iterator[tuple[Entry, Cloud | Failure]], root: str) -> _Clouds:
    for _, cloud in entries:
        where = printable(cloud.path) if isinstance(cloud, Failure) else cloud.origin
        yield where.removeprefix(root), cloud


def _clouds_of(dataset: Dataset) -> _Clouds:
    for index in range(len(dataset)):
        try:
            cloud = dataset[index]
            yield cloud.origin or cloud.name or str(index), cloud
        except DataError as error:
            yield f"{index}:", Failure(path=Path(f"{dataset.name}[{index}]"), reason=str(error))
