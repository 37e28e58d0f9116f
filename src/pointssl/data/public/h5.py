"""Lists of h5 files that make up one split of a public set: found, checked, read into one array each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from pointssl import strict
from pointssl.data.files.archive import open_arrays
from pointssl.data.files.isolation import apart
from pointssl.data.files.kinds import impostor
from pointssl.errors import DataError


def listed_files(folder: Path, list_names: Sequence[str], pattern: str) -> list[Path]:
    """Return the h5 files that a list file in `folder` names, or, without a list, those that match, in number order.

    The lists of the public sets carry paths of the machine they were made on; only the file names count.
    """
    for name in list_names:
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding="utf-8").split()
            return [folder / line.rsplit("/", 1)[-1] for line in lines]
    return sorted(folder.glob(pattern), key=lambda path: (len(path.name), path.name))


def listed_names(file: Path) -> list[str]:
    """Return the names that a JSON file of a public set lists; raises `DataError` where it is no such list."""
    names = strict.parse(file, DataError, "unpack or download the set again")
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"{file} must list names; unpack or download the set again")
    return names


def read_h5(paths: Sequence[Path], keys: Sequence[str], optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read and join the arrays `keys` of all files; `optional` ones are kept where every file has them.

    Raises:
        DataError: a file that is missing, damaged or without one of `keys`, or whose arrays differ in length.
    """
    parts: dict[str, list[np.ndarray]] = {key: [] for key in (*keys, *optional)}
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path} is missing; the set is not complete, unpack or download it again")
        for key, array in apart(_arrays, path, tuple(keys), tuple(optional)).items():
            parts[key].append(array)
        lengths = {key: len(values[-1]) for key, values in parts.items() if len(values) == len(paths) or key in keys}
        if len({lengths[key] for key in keys}) > 1:
            raise DataError(f"{path} does not fit together: arrays of lengths {lengths}")
    joined = {key: values for key, values in parts.items() if values and len(values) == len(paths)}
    for key, values in joined.items():
        if len({array.shape[1:] for array in values}) > 1:
            raise DataError(f"the '{key}' arrays of {paths[0].parent} differ in shape from file to file")
    return {key: np.concatenate(values) for key, values in joined.items()}


def _arrays(path: Path, keys: Sequence[str], optional: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with open_arrays(path) as arrays:
            absent = [key for key in keys if key not in arrays]
            if absent:
                raise DataError(f"{path} has no array '{absent[0]}'; it holds {', '.join(arrays)}")
            return {key: np.asarray(arrays[key][()]) for key in (*keys, *optional) if key in arrays}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as h5: {impostor(path) or error}; download it again") from error


def cloud_points(points: Shaped[np.ndarray, "..."], where: Path) -> Shaped[np.ndarray, "b n 3"]:
    """Return the coordinates of `(clouds, points, 3 or more)`, or say what came instead."""
    if points.ndim != 3 or points.shape[2] < 3:
        raise DataError(f"{where}: points must have shape (clouds, points, 3), got {points.shape}")
    return points[..., :3]
