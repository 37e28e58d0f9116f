"""Files that hold many clouds at once: h5 and npz sets, and npy arrays of shape (clouds, points, columns).

Layouts understood in h5: ModelNet40 (`data`, `label`), ScanObjectNN (`data`, `label`, `mask`), ShapeNetPart (`data`,
`label`, `pid`). In npz: `points` (clouds, points, 3 or more), or `points` (all points, 3) with `offsets` (cloud i is
points[offsets[i]:offsets[i+1]]), beside `label`, `split`, `class_names` and `name` with one entry per cloud. Arrays are
never unpickled. Clouds are read a range at a time, so that an h5 file of a million clouds needs little memory.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.cloud import Cloud, Labels
from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.tables import cloud_from_columns

POINTS = ("points", "data", "xyz", "pos", "pointcloud", "point_cloud", "clouds", "arr_0")
LABEL = ("label", "labels", "y")
CHANNELS = {
    "normal": ("normal", "normals"),
    "color": ("color", "colors", "colour", "rgb"),
    "intensity": ("intensity", "reflectance"),
    "part": ("part", "part_label", "pid", "mask", "seg", "segment"),
}
"""Names under which arrays are found, in order of preference. ScanObjectNN's `mask` is -1 for background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetInfo:
    """What a file of clouds says about itself, without the points."""

    count: int
    classes: tuple[str, ...] = ()
    labels: Labels | None = None
    splits: tuple[str, ...] | None = None
    """One word per cloud, or None where the file knows no splits."""


def describe_set(path: Path) -> SetInfo:
    """Return count, classes, labels and splits of the clouds in `path`."""
    with _open(path) as arrays:
        points = _points(arrays)
        if points.ndim != 3 and "offsets" not in arrays:
            return SetInfo(count=1)
        count = len(arrays["offsets"]) - 1 if "offsets" in arrays else len(points)
        if count < 1:
            raise ValueError("it holds no clouds")
        label = _first(arrays, LABEL)
        labels = None
        if label is not None and label.size == count:
            labels = np.asarray(label[()], dtype=np.int64).reshape(count)
        names = arrays.get("class_names")
        classes = () if names is None else tuple(str(word) for word in np.asarray(names[()]).astype(str))
        if labels is not None and not classes:
            classes = tuple(str(number) for number in range(int(labels.max()) + 1))
        return SetInfo(count=count, classes=classes, labels=labels, splits=_splits(arrays.get("split"), count))


def read_set(path: Path, start: int, stop: int) -> Iterator[Cloud]:
    """Yield the clouds from `start` to just before `stop`."""
    info = describe_set(path)
    with _open(path) as arrays:
        points = _points(arrays)
        names = arrays.get("name")
        names = None if names is None or len(names) != info.count else np.asarray(names[()]).astype(str)
        scale = _fixed_point(points)
        single = points.ndim == 2 and "offsets" not in arrays
        block = 256 if points.ndim == 3 else 1  # h5 keeps many clouds in one compressed piece
        for first in range(start, min(stop, info.count), block):
            last = min(first + block, stop, info.count)
            rows = slice(0, len(points)) if single else _rows(arrays, first, last)
            held = {"points": _scaled(points[rows], scale)} | _channels(arrays, rows, points)
            for index in range(first, last):
                one = held if points.ndim == 2 else {key: values[index - first] for key, values in held.items()}
                yield _cloud(
                    one,
                    label=None if info.labels is None else int(info.labels[index]),
                    name=path.stem if single else (f"{path.stem}[{index}]" if names is None else str(names[index])),
                    origin=str(path) if single else f"{path}[{index}]",
                )


def _cloud(held: Mapping[str, Array], *, label: int | None, name: str, origin: str) -> Cloud:
    plain = cloud_from_columns(held["points"], None, label=label, name=name, origin=origin)
    # Arrays with a name of their own say more than further columns of `points` do.
    channels = dict(plain.channels)
    for key, values in held.items():
        if key != "points":
            columns = values[:, None] if values.ndim == 1 else values
            channels[key] = columns.astype(np.int32 if key == "part" else np.float32)
    return Cloud(points=plain.points, channels=channels, label=label, name=name, origin=plain.origin)


def _rows(arrays: Mapping[str, Any], first: int, last: int) -> slice:
    if "offsets" not in arrays:
        return slice(first, last)
    offsets = arrays["offsets"]
    return slice(int(offsets[first]), int(offsets[last]))


def _channels(arrays: Mapping[str, Any], rows: slice, points: Any) -> dict[str, Array]:
    """Return the arrays that hold something for every point: their first axes are those of `points`."""
    found: dict[str, Array] = {}
    for channel, names in CHANNELS.items():
        values = _first(arrays, names)
        if values is None or values.shape[: points.ndim - 1] != points.shape[:-1]:
            continue
        part = np.asarray(values[rows])
        if channel == "color":
            part = as_color(part)
        if channel == "normal" and part.dtype.kind in "iu":
            part = part / np.float32(np.iinfo(part.dtype).max)
        found[channel] = part
    # Blocks of scenes (S3DIS) have a class for every point under the name of the class of the cloud.
    label = _first(arrays, LABEL)
    if "part" not in found and label is not None and points.ndim == 3 and label.shape == points.shape[:2]:
        found["part"] = np.asarray(label[rows])
    return found


def _splits(codes: Any, count: int) -> tuple[str, ...] | None:
    """Return words for split codes: 0, 1 are train, test; where there is a 2 they are train, val, test."""
    if codes is None or codes.size != count:
        return None
    values = np.asarray(codes[()]).reshape(count)
    if values.dtype.kind not in "iu":
        return tuple(str(word) for word in values.astype(str))
    names = ("train", "val", "test") if values.max(initial=0) == 2 else ("train", "test")
    return tuple(names[value] if value < len(names) else str(value) for value in values.tolist())


def _fixed_point(points: Any) -> float:
    """Return the divisor of coordinates stored as int16: all 15 bits for [-1, 1], or 10 bits behind the point."""
    if points.dtype != np.int16:
        return 1.0
    return 32767.0 if int(np.abs(points[()].astype(np.int32)).max(initial=0)) > 16384 else 1024.0


def _scaled(points: Array, scale: float) -> Array:
    return points if scale == 1.0 else points.astype(np.float32) / np.float32(scale)


def _points(arrays: Mapping[str, Any]) -> Any:
    points = _first(arrays, POINTS)
    if points is None:
        raise ValueError(f"it has no array called {', '.join(POINTS[:-1])}; there are {', '.join(sorted(arrays))}")
    if points.ndim not in (2, 3) or points.shape[-1] < 3 or points.dtype.kind not in "fiu":
        raise ValueError(f"its points must be numbers of shape (n, 3) or (clouds, n, 3), got {points.shape}")
    return points


def _first(arrays: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((arrays[name] for name in names if name in arrays), None)


@contextmanager
def _open(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the arrays of `path` by name; those of an h5 file are read from it when they are sliced."""
    if path.suffix.lower() in (".h5", ".hdf5"):
        import h5py

        with h5py.File(path, "r") as file:
            yield {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
    else:
        yield _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: Path, _changed: int) -> dict[str, Array]:
    """Load npz or npy; the last file stays in memory, because its clouds are asked for in ranges."""
    if path.suffix.lower() == ".npy":
        return {"points": np.load(path, allow_pickle=False, mmap_mode="r")}
    # Opened here, because NumPy leaves a damaged archive open.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
