"""One word for every data set: what follows `--data` on the command line, and its meaning.

`synthetic`, `synthetic:COUNT` or `synthetic:COUNT:SEED` are generated shapes; `NAME:PATH` reads PATH by the layout of a
named data set (`modelnet40:/data/modelnet40_ply_hdf5_2048`); anything else is a path to a packed store, to a folder of
files, or to one file that holds many clouds.
"""

from pathlib import Path

from pointssl.data.arrays import open_npy
from pointssl.data.cloud import Dataset
from pointssl.data.packed_npz import open_npz
from pointssl.data.synthetic import SyntheticShapes
from pointssl.errors import DataError, SettingError, nearest

ARCHIVES = ("clouds.npz", "models.npz")
"""A folder with one of these is that file."""


def open_dataset(spec: str, split: str = "all") -> Dataset:
    """Open what `spec` names; `split` is `all` or one of the set's own, mostly `train` and `test`."""
    head, colon, rest = spec.partition(":")
    if head == "synthetic":
        return _synthetic(spec, rest, bool(colon), split)
    return _path(Path(spec).expanduser(), split)


def _synthetic(spec: str, rest: str, given: bool, split: str) -> SyntheticShapes:
    """Read `synthetic[:COUNT[:SEED]]`."""
    try:
        numbers = [int(word) for word in rest.split(":")] if given else []
        count, seed = [*numbers, *(600, 0)[len(numbers) :]]
    except ValueError:
        message = f"'{spec}' must read synthetic, synthetic:COUNT or synthetic:COUNT:SEED, such as synthetic:600:0"
        raise SettingError(message) from None
    return SyntheticShapes(count, seed, split)


def _path(path: Path, split: str) -> Dataset:
    """Open a file or folder by what it is."""
    if path.is_file():
        if path.suffix == ".npz":
            return open_npz(path, split)
        if path.suffix == ".npy":
            return open_npy(path)
        raise DataError(f"{path} is not a file of many clouds (.npz, .npy); give the folder that it lies in")
    if not path.exists():
        raise DataError(f"there is no file or folder {path}{nearest(str(path), ('synthetic',))}")
    for name in ARCHIVES:
        if (path / name).is_file():
            return open_npz(path / name, split)
    raise DataError(f"{path} holds no data set that can be read")
