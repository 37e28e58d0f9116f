"""What lies in a folder of shapes, told from names alone: files, classes and splits.

    shapes/a.ply, shapes/b.ply                          not labelled
    shapes/chair/1.off, shapes/lamp/1.off               class/file
    shapes/chair/train/1.off, shapes/train/chair/1.off  with splits, in either order
    list.csv: path,label,split                          whatever the list says; label and split may be left out

Sets of clouds (h5, npz) are opened to count their clouds and to learn their names, classes and splits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pointssl.data.files import readers
from pointssl.data.files.isolation import apart
from pointssl.data.files.kinds import impostor, kind_of, name_of, printable
from pointssl.data.files.lists import NAMES, is_list, read_list
from pointssl.data.files.raw import buffer_of
from pointssl.data.files.sets import title_of
from pointssl.data.files.surfaces.ldraw import is_ldraw
from pointssl.data.files.walk import walk
from pointssl.data.split_names import canonical_split, is_split, looks_like_split
from pointssl.errors import DataError, nearest

ARCHIVES = ("clouds.npz", "models.npz")
"""A folder with one of these sets is read as that file; what lies beside it belongs to it."""

COMPANIONS = {".label": ".bin", ".mtl": ".obj"}
"""Files that belong to others and are no clouds of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cloud to be: a file, the place in it, and what is known without reading the points."""

    path: Path
    place: int = 0
    name: str = ""
    """What the cloud is called, different for all clouds of a listing."""
    label: str | None = None
    """Name of the class."""
    split: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be read, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.path)} {self.reason}"

    @classmethod
    def of(cls, path: Path, error: DataError) -> "Failure":
        """Make a failure of an error about `path`, without saying the path twice."""
        return cls(path=path, reason=str(error).removeprefix(f"{path} "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a folder, a list or a single file offers."""

    root: Path
    """Names of files are told from here."""
    name: str
    entries: tuple[Entry, ...]
    classes: tuple[str, ...]
    splits: tuple[str, ...] = ()
    """Names of the splits, also of those whose files cannot be read; empty where nothing is divided."""
    failures: tuple[Failure, ...] = ()
    """Sets and scans that could not be opened to count their clouds, links to nowhere, folders that are closed."""
    ignored: tuple[tuple[str, int], ...] = ()
    """Endings that are no clouds, with the number of such files."""
    links: tuple[Path, ...] = ()
    """Folders that are links, and were followed."""
    labels_from: str = ""
    """What the classes were told from; empty where there are none."""
    splits_from: str = ""
    """What the splits were told from."""


def scan(path: str | Path, list_file: str | Path | None = None, *, labelled: bool = True) -> Listing:
    """List the clouds of a folder, or of one file, without reading points; `labelled=False` takes any nesting as it is.

    Raises:
        DataError: nothing there, no file that could be read, a list that does not match the files, or labels for a part
            of the files only.
    """
    root = Path(path)
    if not root.exists():
        raise DataError(f"{root} does not exist; check the path")
    archive = next((root / name for name in ARCHIVES if (root / name).is_file()), None)
    if archive is not None and list_file is None:
        return _finish(Listing(root=root, name=root.resolve().name, entries=(Entry(path=archive),), classes=()))
    if root.is_file():
        if root.suffix.lower() == ".csv" and list_file is None and is_list(root):
            return _scan_list(root.parent, root)
        return _finish(Listing(root=root.parent, name=title_of(root), entries=(Entry(path=root),), classes=()))
    if list_file is None:
        list_file = next((root / name for name in NAMES if (root / name).is_file()), None)
    if list_file is not None:
        return _scan_list(root, Path(list_file))
    return _scan_folder(root, labelled)


def _scan_folder(root: Path, labelled: bool) -> Listing:
    found = walk(root)
    broken = [one for one in found.broken if readers.is_readable(one[0]) or not one[0].suffix]
    failures = tuple(Failure(path=path, reason=reason) for path, reason in broken)
    buffers = {file for file in found.files if kind_of(file) == ".bin" and buffer_of(file) is not None}
    # Anything may be called .dat, and only LDraw is read.
    others = [file for file in found.files if not readers.is_readable(file)]
    others += [file for file in found.files if kind_of(file) == ".dat" and not (is_ldraw(file) or impostor(file))]
    passed_over = buffers.union(others)
    readable = [file for file in found.files if file not in passed_over]
    kinds = {kind_of(file) for file in readable}
    ignored = Counter(_ending(file) for file in others if COMPANIONS.get(file.suffix.lower()) not in kinds)
    if not readable and not failures:
        if not found.files:
            raise DataError(f"{root} is empty; it should hold clouds or meshes ({' '.join(readers.SUFFIXES)})")
        told = ", ".join(f"{count} {ending}" for ending, count in sorted(ignored.items()))
        raise DataError(f"{root} holds no clouds or meshes, only {told}; known are {' '.join(readers.SUFFIXES)}")
    splits_first = _splits_first(root, readable)
    entries = tuple(_entry_of(file, root, labelled, splits_first) for file in readable)
    loose = [entry for entry in entries if entry.label is None]
    if loose and len(loose) < len(entries):
        some = ", ".join(printable(entry.path.relative_to(root)) for entry in loose[:3])
        raise DataError(
            f"{root}: {len(loose)} of {len(entries)} files lie outside the class folders ({some}); "
            "move them into a class folder, or give the labels in a list.csv (path,label,split)"
        )
    divided = any(entry.split != "all" for entry in entries)
    return _finish(
        Listing(
            root=root,
            name=root.resolve().name,
            entries=entries,
            classes=(),
            failures=failures,
            ignored=tuple(sorted(ignored.items())),
            links=found.links,
            labels_from="" if not entries or loose else "folders",
            splits_from="" if not divided else "the folders at the top" if splits_first else "folders in the classes",
        )
    )


def _splits_first(root: Path, files: Sequence[Path]) -> bool:
    """Tell whether the folders at the top are splits: all of them are called so.

    Raises:
        DataError: some are splits and some are not, or all are called much like splits (fold_1, eval). One alone may be
            a class: there are toys called Train.
    """
    top = {file.relative_to(root).parts[0] for file in files}
    splits = {name for name in top if is_split(name) and (root / name).is_dir()}
    if splits == top:
        return bool(top)
    if len({canonical_split(name) for name in splits}) > 1:
        others = _some([printable(name) for name in sorted(top - splits)])
        raise DataError(
            f"{root}: the folders {', '.join(sorted(splits))} are splits, and {others} beside them no class of theirs; "
            "move it elsewhere, or say what belongs where in a list.csv (path,label,split)"
        )
    if len(top) > 1 and all(looks_like_split(name) for name in top):
        raise DataError(
            f"{root}: its folders {_some([printable(name) for name in sorted(top)])} look like splits and not like "
            "classes; call them train, val and test, or say what belongs where in a list.csv (path,label,split)"
        )
    return False


def _entry_of(file: Path, root: Path, labelled: bool, splits_first: bool) -> Entry:
    """Read class and split off the folders between `root` and the file."""
    folders = file.relative_to(root).parts[:-1]
    if splits_first:
        split, label = canonical_split(folders[0]), next(iter(folders[1:]), None)
    else:
        label = next(iter(folders), None)
        split = canonical_split(folders[1]) if len(folders) > 1 and is_split(folders[1]) else "all"
    return Entry(path=file, label=printable(label) if labelled and label is not None else None, split=split)


def _scan_list(root: Path, list_file: Path) -> Listing:
    entries = [
        Entry(path=path, label=label, split=canonical_split(split) or "all")
        for path, label, split in read_list(root, list_file)
    ]
    unlisted = _require_match(root, list_file, entries)
    blank = sum(entry.label is None for entry in entries)
    if 0 < blank < len(entries):
        raise DataError(f"{list_file}: {blank} of {len(entries)} rows have no label; label all of them or none")
    return _finish(
        Listing(
            root=root,
            name=root.resolve().name,
            entries=tuple(entries),
            classes=(),
            ignored=(("not in the list", unlisted),) if unlisted else (),
            labels_from="" if blank else list_file.name,
            splits_from=list_file.name if any(entry.split != "all" for entry in entries) else "",
        )
    )


def _require_match(root: Path, list_file: Path, entries: Sequence[Entry]) -> int:
    """Return the number of files that the list leaves out; raise where it names files that are not there."""
    listed = Counter(entry.path for entry in entries)
    twice = [printable(path.relative_to(root)) for path, count in listed.items() if count > 1]
    if twice:
        raise DataError(f"{list_file} lists files more than once, for example {twice[0]}")
    absent = sorted(printable(path.relative_to(root)) for path in listed if not path.is_file())
    present = {path for path in walk(root).files if readers.is_readable(path)} - {list_file}
    unlisted = sorted(printable(path.relative_to(root)) for path in present - listed.keys())
    if absent:
        message = f"{list_file} does not match the files: {len(absent)} listed but not there ({_some(absent)})"
        if unlisted:
            message += f"; {len(unlisted)} there but not listed ({_some(unlisted)})"
        raise DataError(message + "; correct the list or the folder")
    return len(unlisted)


def _finish(listing: Listing) -> Listing:
    """Open the sets among the files, so that each of their clouds has an entry, and collect names and classes."""
    full: list[Entry] = []
    failures = list(listing.failures)
    classes: dict[str, None] = {}
    said_none = 0
    labels_from, splits_from = listing.labels_from, listing.splits_from
    for entry in listing.entries:
        if kind_of(entry.path) not in (*readers.SETS, *readers.SCANS):
            full.append(replace(entry, name=printable(name_of(entry.path))))
            continue
        try:
            info = apart(readers.describe, entry.path)
        except DataError as error:
            failures.append(Failure.of(entry.path, error))
            continue
        labels_from = labels_from or ("the archive's labels" if info.labels else "")
        splits_from = splits_from or ("the archive's split" if info.splits else "")
        for place in range(info.count):
            label = entry.label
            if label is None and info.labels is not None:
                number = info.labels[place]
                label = None if number is None else info.classes[number]
                said_none += number is None
            split = entry.split if info.splits is None else info.splits[place]
            name = info.names[place] if info.names else title_of(entry.path)
            full.append(replace(entry, place=place, name=printable(name), label=label, split=split))
        if entry.label is None:  # a set's own order of classes is kept, also of those without a cloud
            classes |= dict.fromkeys(info.classes)
    if not full:
        raise DataError(f"{listing.root}: no file can be read; the first: {failures[0]}")
    blank = sum(entry.label is None for entry in full)
    if said_none < blank < len(full):
        raise DataError(
            f"{listing.root}: {blank} of {len(full)} clouds have no label; keep them apart, or label all of them"
        )
    extra = {entry.label for entry in full if entry.label is not None} - set(classes)
    return replace(
        listing,
        entries=unique_names(listing.root, full),
        classes=(*classes, *sorted(extra)),
        splits=tuple(sorted({entry.split for entry in (*listing.entries, *full)} - {"all"})),
        failures=tuple(failures),
        labels_from=labels_from,
        splits_from=splits_from,
    )


def unique_names(root: Path, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Tell clouds of one name apart by their folders, then by their kinds, then by their places in the file.

    ShapeNet calls every shape `model_normalized`, in a folder of its own.
    """
    wider: tuple[Callable[[Entry], str], ...] = (
        lambda entry: printable((entry.path.relative_to(root).parent / entry.name).as_posix()),
        lambda entry: f"{entry.name}{entry.path.suffix}",
        lambda entry: f"{entry.name}#{entry.place}",
    )
    for rename in wider:
        counts = Counter(entry.name for entry in entries)
        entries = [replace(one, name=rename(one)) if counts[one.name] > 1 else one for one in entries]
    return tuple(entries)


def choose_split(listing: Listing, split: str) -> tuple[Entry, ...]:
    """Return the entries of one split, or all of them for `all`.

    Raises:
        DataError: the folder has no such split, or nothing of it can be read.
    """
    chosen = listing.entries if split == "all" else tuple(entry for entry in listing.entries if entry.split == split)
    if not chosen:
        if split in listing.splits:
            raise DataError(f"{listing.name}: no file of its split '{split}' can be read; {listing.failures[0]}")
        raise DataError(f"{listing.name} has no split '{split}'{nearest(split, ('all', *listing.splits))}")
    return chosen


def _ending(file: Path) -> str:
    """Return the ending of a file, with what stands before `.gz` and its like."""
    last = [suffix.lower() for suffix in file.suffixes[-2:]]
    return "".join(last if last[-1:] == [".gz"] else last[-1:]) or "(no ending)"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
