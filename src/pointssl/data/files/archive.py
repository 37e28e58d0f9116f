"""What lies in an archive (npz, npy, h5): its arrays by name, and which of them is what."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.files.cloud import Array
from pointssl.data.files.columns import require_rows
from pointssl.data.files.own import require_own

ROLES: Mapping[str, tuple[str, ...]] = {
    "points": ("points", "data", "xyz", "pos", "pointcloud", "point_cloud", "clouds", "coord", "coords", "pc"),
    "label": ("label", "labels", "y"),
    "normal": ("normal", "normals"),
    "color": ("color", "colors", "colour", "rgb"),
    "intensity": ("intensity", "reflectance"),
    "part": ("part", "part_label", "pid", "mask", "seg", "segment", "sem_label", "semantic_label"),
    "offsets": ("offsets",),
    "class_names": ("class_names",),
    "split": ("split",),
    "name": ("name",),
    "scale": ("scale",),
}
"""Names under which arrays are found, in order of preference. ScanObjectNN's `mask` is -1 for background."""

CHANNELS = ("normal", "color", "intensity", "part")

_MAGIC = {True: b"\x93NUMPY", False: b"PK"}
"""How an npy (True) and an npz begin."""
_MOST = 1100
"""Coordinates are not packed smaller than by that; gzip does not pack even zeros smaller."""

_FREE = 1 << 28
"""Bytes that any file may unpack to."""

WHOLE = ("clouds", "models")
"""An archive of one of these names is called after its folder."""


def roles_of(arrays: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the array for each role that has one, checked for its shape.

    Raises:
        ValueError: no points, or points that are none; a class for every cloud that is none.
    """
    keys = {role: name for role, names in ROLES.items() if (name := _first(arrays, names)) is not None}
    if "points" not in keys:
        if set(arrays) == {"arr_0"}:
            keys["points"] = "arr_0"
        else:
            numbered(arrays)
            return keys
    points = arrays[keys["points"]]
    if points.ndim not in (2, 3) or points.dtype.kind not in "fiu" or points.shape[-1] < 3:
        raise ValueError(
            f"its points must be numbers of shape (n, 3) or (clouds, n, 3), got {points.dtype} {points.shape}"
        )
    if points.size:
        require_rows(points.shape)
    require_fitting(arrays, keys)
    count = count_of(arrays, keys)
    for role in ("label", "split", "name"):
        if role in keys and count is not None:
            size = arrays[keys[role]].shape
            per_point = role == "label" and is_part_label(arrays, keys, keys[role])
            if size not in ((count,), (count, 1)) and not per_point:
                raise ValueError(f"'{keys[role]}' must have one entry for each of the {count} clouds, got shape {size}")
    return keys


def count_of(arrays: Mapping[str, Any], keys: Mapping[str, str]) -> int | None:
    """Return the number of clouds, or None for the points of a single one."""
    points = arrays[keys["points"]]
    if "offsets" not in keys:
        return len(points) if points.ndim == 3 else None
    offsets = np.asarray(arrays[keys["offsets"]][()])
    rising = (
        offsets.ndim == 1 and len(offsets) > 0 and offsets[0] == 0 and (np.diff(offsets.astype(np.int64)) >= 0).all()
    )
    if points.ndim != 2 or not rising:
        raise ValueError(f"its offsets must rise from 0 over points of shape (n, 3), got {offsets[:4]}, {points.shape}")
    if offsets[-1] > len(points):
        raise ValueError(f"its offsets must end at or before its {len(points)} points, got {offsets[-1]}")
    return len(offsets) - 1


def numbered(arrays: Mapping[str, Any]) -> list[str]:
    """Return the names of arrays that are a cloud each, `arr_10` behind `arr_9`: they are called alike and numbered.

    Raises:
        ValueError: they are not, or some are no clouds.
    """
    alike = {name.rstrip("0123456789") for name in arrays}
    clouds = [one.ndim == 2 and one.dtype.kind in "fiu" and one.shape[1] >= 3 for one in arrays.values()]
    if len(alike) != 1 or alike & set(arrays) or not all(clouds):
        told = ", ".join(f"{name} {arrays[name].shape}" for name in sorted(arrays)) or "nothing"
        raise ValueError(
            f"it has no array called {', '.join(ROLES['points'])}, nor arr_0, arr_1, ... of shape (n, 3) each; "
            f"there are {told}"
        )
    return sorted(arrays, key=lambda name: (len(name), name))


def channel_keys(arrays: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    """Return the arrays that hold something for every point: their first axes are those of `points`."""
    points = arrays[keys["points"]]
    found = {role: keys[role] for role in CHANNELS if role in keys and fits(arrays[keys[role]], points)}
    if "part" not in found and "label" in keys and is_part_label(arrays, keys, keys["label"]):
        found["part"] = keys["label"]
    return found


def require_fitting(arrays: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """Raise `ValueError` for normals and colours that are not those of the points, as their number tells."""
    points = arrays[keys["points"]]
    for role in ("normal", "color"):
        values = arrays[keys[role]] if role in keys else points
        if values.ndim == points.ndim and not fits(values, points):
            raise ValueError(f"its '{keys[role]}' {values.shape} do not fit its points {points.shape}; correct them")


def fits(values: Any, points: Any) -> bool:
    """Tell whether an array has an entry for every point."""
    return bool(values.shape[: points.ndim - 1] == points.shape[:-1] and values.dtype.kind in "fiub")


def is_part_label(arrays: Mapping[str, Any], keys: Mapping[str, str], name: str) -> bool:
    """Tell a class for every point under the name of the class of the cloud, as blocks of scenes (S3DIS) have it."""
    points, values = arrays[keys["points"]], arrays[name]
    per_cloud = points.ndim == 3 and values.shape in ((len(points),), (len(points), 1))
    return name == keys.get("label") and not per_cloud and fits(values, points)


def rows_of(arrays: Mapping[str, Any], keys: Mapping[str, str], first: int, last: int) -> slice:
    """Return where the clouds from `first` to just before `last` lie in `points` and in the channels."""
    if "offsets" in keys:
        offsets = arrays[keys["offsets"]]
        return slice(int(offsets[first]), int(offsets[last]))
    points = arrays[keys["points"]]
    return slice(first, last) if points.ndim == 3 else slice(0, len(points))


def words(values: Any) -> list[str]:
    """Return text from whatever numpy and h5 keep it in."""
    flat = np.asarray(values[()]).reshape(-1).tolist()
    return [word.decode("utf-8", errors="replace") if isinstance(word, bytes) else str(word) for word in flat]


def _first(arrays: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in arrays), None)


@contextmanager
def open_arrays(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the arrays of `path` by name; those of an h5 file are read from it when they are sliced."""
    if path.suffix.lower() in (".h5", ".hdf5"):
        import h5py

        with h5py.File(path, "r") as file:
            require_own(file)
            found = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            for name, item in found.items():
                if item.nbytes > _FREE + _MOST * item.id.get_storage_size():
                    raise ValueError(f"its array '{name}' announces {item.nbytes} bytes, for which it has no room")
            if not found:
                raise ValueError(f"it holds no arrays at its top, only {', '.join(file) or 'nothing'}")
            yield found
    else:
        yield _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _load(path: Path, _changed: int) -> dict[str, Array]:
    """Load npz or npy; the last files stay in memory, because their clouds are asked for in ranges."""
    single = path.suffix.lower() == ".npy"
    # Opened here, because NumPy leaves a damaged archive open.
    with path.open("rb") as stream:
        if not stream.read(6).startswith(_MAGIC[single]):
            raise ValueError(f"it does not begin as {'an npy' if single else 'an npz'} file does")
        stream.seek(0)
        if single:
            return {"points": np.load(path, allow_pickle=False, mmap_mode="r")}
        with zipfile.ZipFile(stream) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _FREE + _MOST * path.stat().st_size:
            raise ValueError(f"it unpacks to {unpacked} bytes, more than {_MOST} times its size")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
