"""The one front door for clouds: whatever stands for a data set, on the command line or in Python, becomes a `Dataset`.

`synthetic`, `synthetic:COUNT` or `synthetic:COUNT:SEED` are generated shapes with labels; `generated:KIND` are shapes
without end, and `mix:SET=WEIGHT,SET=WEIGHT` several sets in shares (docs/generated.md); `NAME:PATH` reads PATH by the
layout of a named data set (`modelnet40:/data/modelnet40_ply_hdf5_2048`); anything else is a path to a packed store, to
a folder of files, or to one file that holds many clouds; `PATH:columns=x,y,z,_,label` says what its columns are. In
Python an open `Dataset` will do as well, and a pair of them (or of words and paths) is a training and a test set.
"""

from collections.abc import Sequence
from pathlib import Path

from pointssl.data import DATASETS
from pointssl.data.cloud import Dataset
from pointssl.data.files.columns import parted, stated_columns
from pointssl.data.files.dataset import open_files
from pointssl.data.files.kinds import kind_of
from pointssl.data.files.readers import SETS
from pointssl.data.files.scan import scan
from pointssl.data.generated.dataset import GeneratedClouds
from pointssl.data.generated.formulas import is_stated, open_generated
from pointssl.data.mixture import Mixture, read_mixture
from pointssl.data.store.dataset import PackedDataset, is_store
from pointssl.data.store.manifest import read_manifest
from pointssl.data.synthetic import SyntheticShapes
from pointssl.errors import DataError, SettingError, nearest

_WORDS = ("synthetic", "generated", "mix")
"""Kinds of data sets that are not files."""

Part = str | Path | Dataset
Data = Part | tuple[Part, Part]
"""A word, a path, an open data set, or a (train, test) pair of these."""


def open_dataset(data: Data, split: str = "all", *, columns: Sequence[str] | None = None) -> Dataset:
    """Open what `data` stands for; `split` is `all` or one of the set's own, mostly `train` and `test`.

    An open data set is one split already and comes back as it is, whatever `split` says. `columns` names the columns of
    tables and arrays in their order, where nothing else does: `("x", "y", "z", "_", "red", "green", "blue", "label")`.

    Raises:
        SettingError: a name that is not known, a number of synthetic shapes that makes no sense, or a pair of sets of
            which `split` names neither.
        DataError: nothing there, something else there, damaged, or no such split.
    """
    if isinstance(data, tuple):
        if split not in ("train", "test"):
            raise SettingError(f"a pair of data sets is train and test; name one of them, got split '{split}'")
        return open_dataset(data[split == "test"], columns=columns)
    if isinstance(data, Path):
        return _path(_existing(data.expanduser(), str(data)), split, columns)
    if not isinstance(data, str):
        return _own(data)
    data, own = parted(data)
    kind, path = _meaning(data)
    if own is not None and (kind or columns is not None):
        raise SettingError(f"the columns of {data} " + ("are known by its name" if kind else "are stated twice"))
    columns = own or columns
    if kind == "synthetic":
        return SyntheticShapes(*_count_and_seed(data), split)
    if kind == "generated":
        return open_generated(data, split)
    if kind == "mix":
        return Mixture([(_part_of(source, split), weight) for source, weight in read_mixture(data)], name=data)
    return DATASETS[kind].open(path, split) if kind else _path(path, split, columns)


def splits_of(data: Data) -> tuple[str, ...]:
    """Return the splits that `data` has, without reading its clouds; empty where it is not divided.

    This, and no exception, is how to learn that there is no test split: damage is an error everywhere.

    Raises:
        SettingError: as `open_dataset`.
        DataError: as `open_dataset`, and where a damaged file may hold a split of its own.
    """
    if isinstance(data, tuple):
        return ("train", "test")
    if not isinstance(data, str | Path):
        return ()
    kind, path = _meaning(parted(data)[0]) if isinstance(data, str) else ("", _existing(data.expanduser(), str(data)))
    if kind == "generated":
        return GeneratedClouds.splits if is_stated(str(data)) else ()
    if kind == "mix":
        return ()
    if kind == "synthetic":
        return SyntheticShapes.splits if _count_and_seed(str(data))[0] >= 3 else ()
    if kind:
        splits = DATASETS[kind].splits
        return splits if isinstance(splits, tuple) else splits(path)
    if is_store(path):
        return tuple(sorted(set(read_manifest(path).clouds.split) - {"all"}))
    listing = scan(path)
    unopened = [failure for failure in listing.failures if kind_of(failure.path) in SETS]
    if unopened and not listing.splits:
        raise DataError(f"{unopened[0]}; whether it holds a split cannot be told: repair or remove it")
    return listing.splits


def _own(data: Dataset) -> Dataset:
    """Return an object that is a data set already; told by its methods, as a fingerprint may take a pass over it."""
    if not all(hasattr(type(data), method) for method in ("__len__", "__getitem__", "xyz")):
        what = (
            f"data must be a path, a name such as synthetic, a data set, or a (train, test) pair of these, got {data!r}"
        )
        raise SettingError(" ".join(what.split())[:300])
    return data


def _meaning(word: str) -> tuple[str, Path]:
    """Tell what a word means: the kind of data set (`synthetic`, a name in `DATASETS`, or nothing) and its path."""
    head, colon, rest = word.partition(":")
    if head == "synthetic" or (head in _WORDS and (colon or not Path(word).exists())):
        return head, Path()
    if head in DATASETS:
        if not rest:
            raise SettingError(f"'{head}' needs the folder that it lies in: {head}:PATH (`pointssl data get {head}`)")
        return head, _existing(Path(rest).expanduser(), word)
    # One letter before a colon is a drive; a name with a separator in it is a path.
    if colon and len(head) > 1 and not {"/", "\\"} & set(head) and not Path(word).exists():
        raise SettingError(f"unknown data set '{head}'{nearest(head, (*_WORDS, *DATASETS))}")
    return "", _existing(Path(word).expanduser(), word)


def _part_of(source: str, split: str) -> Dataset:
    """Open one source of a mixture, without a split where it has none."""
    return open_dataset(source, split if split in splits_of(source) else "all")


def _count_and_seed(word: str) -> tuple[int, int]:
    """Read `synthetic[:COUNT[:SEED]]`."""
    try:
        numbers = [int(number) for number in word.split(":")[1:]]
        count, seed = [*numbers, *(600, 0)[len(numbers) :]]
    except ValueError:
        message = f"'{word}' must read synthetic, synthetic:COUNT or synthetic:COUNT:SEED, such as synthetic:600:0"
        raise SettingError(message) from None
    return count, seed


def _existing(path: Path, word: str) -> Path:
    """Return `path`, or say what a data set may be called where nothing is there."""
    if path.exists():
        return path
    if word in (path.name, str(path)) and "/" not in word and "\\" not in word:
        raise DataError(f"there is no file, folder or data set '{word}'{nearest(word, (*_WORDS, *DATASETS))}")
    raise DataError(f"{path} does not exist; check the path")


def _path(path: Path, split: str, columns: Sequence[str] | None) -> Dataset:
    """Open a file or folder by what it is."""
    if is_store(path):
        if columns is not None:
            raise SettingError(f"{path} is a packed store; its columns were stated when it was packed")
        return PackedDataset(path, split)
    return open_files(path, split, columns=None if columns is None else stated_columns(columns))
