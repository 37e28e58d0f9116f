"""What lies in a folder of shapes, told from names alone: files, classes and splits.

    shapes/a.ply, shapes/b.ply                          not labelled
    shapes/chair/1.off, shapes/lamp/1.off               class/file
    shapes/chair/train/1.off, shapes/train/chair/1.off  with splits, in either order
    list.csv: path,label,split                          whatever the list says; label and split may be left out

Sets of clouds (h5, npz) are opened to count their clouds and to learn their classes and splits.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pointssl.data.files import readers
from pointssl.errors import DataError, nearest

SPLITS = ("train", "val", "valid", "validation", "test")
"""Folder names that are read as splits, not as classes, where they stand alone or inside a class."""

ARCHIVES = ("clouds.npz", "models.npz")
"""A folder with one of these sets is read as that file; what lies beside it belongs to it."""

LIST_FILES = ("list.csv", "labels.csv", "index.csv")
"""A list file of one of these names is found by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cloud to be: a file, the place in it, and what is known without reading the points."""

    path: Path
    place: int = 0
    label: str | None = None
    """Name of the class."""
    split: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be read, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"

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
    """Sets (h5, npz, e57) that could not be opened to count their clouds."""
    ignored: tuple[tuple[str, int], ...] = ()
    """Endings that are no clouds, with the number of such files."""


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
        return _finish(root, root.resolve().name, [Entry(path=archive)], ())
    if root.is_file():
        if root.suffix.lower() == ".csv" and list_file is None and _is_list(root):
            return _scan_list(root.parent, root)
        return _finish(root.parent, root.stem, [Entry(path=root)], ())
    if list_file is None:
        list_file = next((root / name for name in LIST_FILES if (root / name).is_file()), None)
    if list_file is not None:
        return _scan_list(root, Path(list_file))
    return _scan_folder(root, labelled)


def _scan_folder(root: Path, labelled: bool) -> Listing:
    # Hidden files are editors' and systems' own (.DS_Store), never data.
    files = sorted(p for p in root.rglob("*") if p.is_file() and not _hidden(p.relative_to(root)))
    if not files:
        raise DataError(f"{root} is empty; it should hold clouds or meshes ({' '.join(readers.SUFFIXES)})")
    readable = [file for file in files if readers.is_readable(file)]
    others = [file.suffix.lower() or "(no ending)" for file in files if not readers.is_readable(file)]
    ignored = tuple(sorted(Counter(others).items()))
    if not readable:
        found = ", ".join(f"{count} {suffix}" for suffix, count in ignored)
        raise DataError(f"{root} holds no clouds or meshes, only {found}; known are {' '.join(readers.SUFFIXES)}")
    top = {file.relative_to(root).parts[0] for file in readable}
    # A class may be called Train; folders are splits only where all of them are.
    split_first = all(name.lower() in SPLITS and (root / name).is_dir() for name in top)
    entries = [_entry_of(file, root, labelled, split_first) for file in readable]
    loose = [entry for entry in entries if entry.label is None]
    if loose and len(loose) < len(entries):
        some = ", ".join(str(entry.path.relative_to(root)) for entry in loose[:3])
        raise DataError(
            f"{root}: {len(loose)} of {len(entries)} files lie outside the class folders ({some}); "
            "move them into a class folder, or give the labels in a list.csv (path,label,split)"
        )
    return _finish(root, root.resolve().name, entries, ignored)


def _entry_of(file: Path, root: Path, labelled: bool, split_first: bool) -> Entry:
    """Read class and split off the folders between `root` and the file."""
    folders = file.relative_to(root).parts[:-1]
    if split_first:
        split, label = folders[0], next(iter(folders[1:]), None)
    else:
        label = next(iter(folders), None)
        split = folders[1] if len(folders) > 1 and folders[1].lower() in SPLITS else "all"
    return Entry(path=file, label=label if labelled else None, split=split.lower())


def _scan_list(root: Path, list_file: Path) -> Listing:
    if not list_file.is_file():
        raise DataError(f"the list file {list_file} does not exist; check the path")
    with list_file.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        columns = [name.strip().lower() for name in rows.fieldnames or ()]
        rows.fieldnames = columns
        if "path" not in columns:
            raise DataError(f"{list_file} must begin with a line of column names (path,label,split), got {columns}")
        table = [{key: (value or "").strip() for key, value in row.items() if key} for row in rows]
    if not table:
        raise DataError(f"{list_file} lists no files")
    entries = [
        Entry(path=root / row["path"], label=row.get("label") or None, split=row.get("split") or "all") for row in table
    ]
    unlisted = _require_match(root, list_file, entries)
    blank = sum(entry.label is None for entry in entries)
    if 0 < blank < len(entries):
        raise DataError(f"{list_file}: {blank} of {len(entries)} rows have no label; label all of them or none")
    return _finish(root, root.resolve().name, entries, (("not in the list", unlisted),) if unlisted else ())


def _require_match(root: Path, list_file: Path, entries: Sequence[Entry]) -> int:
    """Return the number of files that the list leaves out; raise where it names files that are not there."""
    listed = {entry.path.resolve() for entry in entries}
    if len(listed) < len(entries):
        twice = Counter(entry.path for entry in entries).most_common(1)[0][0]
        raise DataError(f"{list_file} lists files more than once, for example {twice.relative_to(root)}")
    absent = sorted(str(entry.path.relative_to(root)) for entry in entries if not entry.path.is_file())
    present = {p for p in root.rglob("*") if readers.is_readable(p) and not _hidden(p.relative_to(root))}
    unlisted = sorted(
        str(p.relative_to(root)) for p in present if p.resolve() not in listed and p.resolve() != list_file.resolve()
    )
    if absent:
        message = f"{list_file} does not match the files: {len(absent)} listed but not there ({_some(absent)})"
        if unlisted:
            message += f"; {len(unlisted)} there but not listed ({_some(unlisted)})"
        raise DataError(message + "; correct the list or the folder")
    return len(unlisted)


def _finish(root: Path, name: str, entries: Sequence[Entry], ignored: tuple[tuple[str, int], ...]) -> Listing:
    """Open the sets among the files, so that each of their clouds has an entry, and collect the classes."""
    full: list[Entry] = []
    failures: list[Failure] = []
    classes: dict[str, None] = {}
    for entry in entries:
        if entry.path.suffix.lower() not in (*readers.SETS, ".e57"):
            full.append(entry)
            continue
        try:
            info = readers.describe(entry.path)
        except DataError as error:
            failures.append(Failure.of(entry.path, error))
            continue
        for place in range(info.count):
            label = entry.label
            if label is None and info.labels is not None:
                label = info.classes[int(info.labels[place])]
            split = entry.split if info.splits is None else info.splits[place]
            full.append(replace(entry, place=place, label=label, split=split))
        if entry.label is None:  # a set's own order of classes is kept, also of those without a cloud
            classes |= dict.fromkeys(info.classes)
    if not full:
        raise DataError(f"{root}: no file can be read; the first: {failures[0]}")
    blank = sum(entry.label is None for entry in full)
    if 0 < blank < len(full):
        raise DataError(f"{root}: {blank} of {len(full)} clouds have no label; keep them apart, or label all of them")
    extra = {entry.label for entry in full if entry.label is not None} - set(classes)
    return Listing(
        root=root,
        name=name,
        entries=tuple(full),
        classes=(*classes, *sorted(extra)),
        splits=tuple(sorted({entry.split for entry in (*entries, *full)} - {"all"})),
        failures=tuple(failures),
        ignored=ignored,
    )


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


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _is_list(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return "path" in [word.strip().lower() for word in file.readline().split(",")]
