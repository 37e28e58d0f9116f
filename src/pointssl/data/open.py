"""One word for every data set: what follows `--data` on the command line, and its meaning.

`synthetic`, `synthetic:COUNT` or `synthetic:COUNT:SEED` are generated shapes; `NAME:PATH` reads PATH by the layout of a
named data set (`modelnet40:/data/modelnet40_ply_hdf5_2048`); anything else is a path to a packed store, to a folder of
files, or to one file that holds many clouds.
"""

from pathlib import Path

from pointssl.data import DATASETS
from pointssl.data.arrays import open_npy
from pointssl.data.cloud import Dataset
from pointssl.data.files.folder import FolderDataset
from pointssl.data.packed_npz import open_npz
from pointssl.data.store.dataset import PackedDataset, is_store
from pointssl.data.synthetic import SyntheticShapes
from pointssl.errors import DataError, SettingError, nearest

ARCHIVES = ("clouds.npz", "models.npz")
"""A folder with one of these is that file."""


def open_dataset(spec: str, split: str = "all") -> Dataset:
    """Open what `spec` names; `split` is `all` or one of the set's own, mostly `train` and `test`.

    Raises:
        SettingError: a name that is not known, or a number of synthetic shapes that makes no sense.
        DataError: nothing there, something else there, or no such split.
    """
    head, colon, rest = spec.partition(":")
    if head == "synthetic":
        return _synthetic(spec, rest, bool(colon), split)
    if head in DATASETS:
        if not rest:
            raise SettingError(f"'{head}' needs the folder that it lies in: {head}:PATH (`pointssl data get {head}`)")
        return DATASETS[head](_existing(Path(rest).expanduser(), spec), split)
    # One letter before a colon is a drive; a name with a separator in it is a path.
    if colon and len(head) > 1 and not {"/", "\\"} & set(head) and not Path(spec).exists():
        raise SettingError(f"unknown data set '{head}'{nearest(head, ('synthetic', *DATASETS))}")
    return _path(_existing(Path(spec).expanduser(), spec), split)


def _synthetic(spec: str, rest: str, given: bool, split: str) -> SyntheticShapes:
    """Read `synthetic[:COUNT[:SEED]]`."""
    try:
        numbers = [int(word) for word in rest.split(":")] if given else []
        count, seed = [*numbers, *(600, 0)[len(numbers) :]]
    except ValueError:
        message = f"'{spec}' must read synthetic, synthetic:COUNT or synthetic:COUNT:SEED, such as synthetic:600:0"
        raise SettingError(message) from None
    return SyntheticShapes(count, seed, split)


def _existing(path: Path, spec: str) -> Path:
    """Return `path`, or say what a data set may be called where nothing is there."""
    if path.exists():
        return path
    if spec in (path.name, str(path)) and "/" not in spec and "\\" not in spec:
        raise DataError(f"there is no file, folder or data set '{spec}'{nearest(spec, ('synthetic', *DATASETS))}")
    raise DataError(f"{path} does not exist; check the path")


def _path(path: Path, split: str) -> Dataset:
    """Open a file or folder by what it is."""
    if path.is_dir():
        if is_store(path):
            return PackedDataset(path, split)
        for name in ARCHIVES:
            if (path / name).is_file():
                return open_npz(path / name, split)
    elif path.suffix.lower() == ".npz":
        return open_npz(path, split)
    elif path.suffix.lower() == ".npy" and split == "all":
        return open_npy(path)
    return FolderDataset(path, split)
