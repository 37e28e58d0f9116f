"""Archives: files that hold many clouds at once, npz, h5, and npy of shape (clouds, points, columns).

Three forms are read. `points` of shape (clouds, points, 3 or more), or (all points, 3 or more) with `offsets` (cloud i
is points[offsets[i]:offsets[i+1]]), beside `label`, `split`, `class_names`, `name` and `scale`, and arrays with an
entry per point; the names that public sets use for these are understood (`ROLES`). Or nothing but arrays of one cloud
each, as `np.savez(file, *clouds)` writes them. Nothing is ever unpickled. Clouds are read a range at a time, so that an
h5 file of a million clouds needs little memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from pointssl.data.cloud import Cloud
from pointssl.data.files.archive import (
    CHANNELS,
    WHOLE,
    channel_keys,
    count_of,
    fits,
    is_part_label,
    numbered,
    open_arrays,
    roles_of,
    rows_of,
    words,
)
from pointssl.data.files.cloud import Array, as_color, as_normal, as_part, color_range, make_cloud
from pointssl.data.files.columns import Meaning, Reading, by_order, by_values
from pointssl.data.files.kinds import kind_of, name_of
from pointssl.data.files.lists import NO_LABEL
from pointssl.data.split_names import canonical_split

MOST_CLASSES = 1_000_000
"""Of labels without names, each number up to the highest is a class; more than this are numbers of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetInfo:
    """What a file of clouds says about itself, without the points."""

    count: int
    names: tuple[str, ...] = ()
    """Of every cloud; empty where they are called after the file."""
    classes: tuple[str, ...] = ()
    labels: tuple[int | None, ...] | None = None
    """Places in `classes`, None for a cloud without a label; None where no cloud has one."""
    splits: tuple[str, ...] | None = None
    """One word per cloud, or None where the file knows no splits."""


def describe_set(path: Path) -> SetInfo:
    """Return count, names, classes, labels and splits of the clouds in `path`."""
    with open_arrays(path) as arrays:
        keys = roles_of(arrays)
        if "points" not in keys:
            return SetInfo(count=len(arrays), names=tuple(_listed_name(path, name) for name in numbered(arrays)))
        count = count_of(arrays, keys)
        if count is None:
            return SetInfo(count=1)
        if count < 1:
            raise ValueError("it holds no clouds")
        names = words(arrays[keys["name"]]) if "name" in keys else None
        classes, labels = _classes(arrays, keys)
        return SetInfo(
            count=count,
            names=tuple(names or (f"{title_of(path)}/{row}" for row in range(count))),
            classes=classes,
            labels=labels,
            splits=_splits(arrays[keys["split"]], count) if "split" in keys else None,
        )


def read_set(path: Path, start: int, stop: int, columns: Sequence[str] | None = None) -> Iterator[Cloud | ValueError]:
    """Yield the clouds from `start` to just before `stop`, and for one that cannot be read, why."""
    info = describe_set(path)
    stop = min(stop, info.count)
    with open_arrays(path) as arrays:
        for place, reading in _readings(path, arrays, start, stop, columns):
            if isinstance(reading, ValueError):
                if not info.names:  # the only one: the file itself cannot be read
                    raise reading
                yield reading
                continue
            try:
                yield make_cloud(
                    reading.xyz,
                    reading.channels,
                    label=None if info.labels is None else info.labels[place],
                    name=info.names[place] if info.names else title_of(path),
                    origin=f"{path}[{place}]" if info.names else str(path),
                )
            except ValueError as error:
                yield error


def explain_set(path: Path, columns: Sequence[str] | None = None) -> tuple[Meaning, ...]:
    """Return what each array of the file was taken for."""
    with open_arrays(path) as arrays:
        keys = roles_of(arrays)
        if "points" not in keys:
            return tuple(Meaning(name, "a cloud", "nothing but clouds in the file") for name in numbered(arrays))
        [(_, first)] = _readings(path, arrays, 0, 1, columns)
        inner = () if isinstance(first, ValueError) else first.meanings
        meanings = [one._replace(found=f"{keys['points']}, {one.found}") for one in inner]
        taken = {name: role for role, name in keys.items() if role != "points"}
        for name, array in arrays.items():
            if name != keys["points"]:
                role = "part" if is_part_label(arrays, keys, name) else taken.get(name, "-")
                role = "-" if role in CHANNELS and not fits(array, arrays[keys["points"]]) else role
                rule = "by its name" if role != "-" else f"left out (shape {array.shape})"
                meanings.append(Meaning(name, {"label": "class of each cloud"}.get(role, role), rule))
        return tuple(meanings)


def integer_scale(points: Shaped[np.ndarray, "*size c"]) -> float:
    """Return what stored coordinates are multiplied with: 1, or for int16 1/1024 or 1/32767.

    1024 leaves room for coordinates up to 32; stored in 1/32767, some cloud comes near the full range.
    """
    if points.dtype != np.int16 or points.size == 0:
        return 1.0
    return 1 / 32767 if max(-int(points.min()), int(points.max())) > 16384 else 1 / 1024


def title_of(path: Path) -> str:
    """Return what clouds in a file are called: `psb-shrec12/clouds.npz` after its folder, `shapes.npz` after itself."""
    title = name_of(path)
    return path.resolve().parent.name if title in WHOLE and kind_of(path) == ".npz" else title


def _readings(
    path: Path, arrays: Mapping[str, Any], start: int, stop: int, columns: Sequence[str] | None
) -> Iterator[tuple[int, Reading | ValueError]]:
    """Yield the place and the columns of each cloud."""
    keys = roles_of(arrays)
    if "points" not in keys:
        for place, name in list(enumerate(numbered(arrays)))[start:stop]:
            yield place, _guarded(np.asarray(arrays[name]), {}, 1.0, 255, columns)
        return
    points = arrays[keys["points"]]
    facts = _facts(path, path.stat().st_mtime_ns, keys["points"], keys.get("color", ""))
    scales = np.broadcast_to(arrays[keys["scale"]][()] if "scale" in keys else facts.scale, (max(stop, 1),))
    block = 256 if points.ndim == 3 else 1  # h5 keeps many clouds in one compressed piece
    for first in range(start, stop, block):
        last = min(first + block, stop)
        rows = rows_of(arrays, keys, first, last)
        held = np.asarray(points[rows])
        channels = {name: np.asarray(arrays[key][rows]) for name, key in channel_keys(arrays, keys).items()}
        for place in range(first, last):
            part = place - first if points.ndim == 3 else slice(None)
            own = {name: values[part] for name, values in channels.items()}
            yield place, _guarded(held[part], own, float(scales[place]), facts.full, columns)


def _guarded(
    points: Array, channels: Mapping[str, Array], scale: float, full: int, columns: Sequence[str] | None
) -> Reading | ValueError:
    try:
        if len(points) == 0:
            return ValueError("it holds no points")
        read = by_values(points) if columns is None else by_order(points, columns)
    except ValueError as error:
        return error
    convert = {"normal": as_normal, "color": lambda values: as_color(values, full), "part": as_part}
    named = {name: convert.get(name, np.asarray)(_column(values)) for name, values in channels.items()}
    # Sixteen bits and their scale fit into float32; survey coordinates need more until they have been moved.
    kind = np.float32 if points.dtype == np.int16 else np.float64
    xyz = read.xyz if scale == 1 else np.multiply(read.xyz, kind(scale), dtype=kind)
    # Arrays with a name of their own say more than further columns of `points` do.
    return Reading(xyz, read.channels | named, read.meanings)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is found out from all values of a file, so that it is the same for each of its clouds."""

    scale: float
    full: int
    """What stands for full brightness."""


@lru_cache(maxsize=16)
def _facts(path: Path, _changed: int, points: str, color: str) -> _Facts:
    with open_arrays(path) as arrays:
        stored = arrays[points]
        scale = integer_scale(np.asarray(stored[()])) if stored.dtype == np.int16 else 1.0
        return _Facts(scale, color_range(np.asarray(arrays[color][()])) if color else 1)


def _listed_name(path: Path, name: str) -> str:
    return f"{title_of(path)}/{name.removeprefix('arr_')}"


def _classes(
    arrays: Mapping[str, Any], keys: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[int | None, ...] | None]:
    """Return the class names and the class of every cloud; -1 and NaN mean that it has none."""
    classes = tuple(words(arrays[keys["class_names"]])) if "class_names" in keys else ()
    if "label" not in keys or is_part_label(arrays, keys, keys["label"]):
        return classes, None
    values = np.asarray(arrays[keys["label"]][()]).reshape(-1)
    if values.dtype.kind not in "fiub":
        called = ["" if word.strip().lower() in NO_LABEL else word for word in words(values)]
        classes = classes or tuple(sorted({word for word in called if word}))
        unknown = sorted(set(called) - {*classes, ""})
        if unknown:
            raise ValueError(f"its labels must be among its class_names, got '{unknown[0]}'")
        values = np.array([classes.index(word) if word else -1 for word in called])
    if values.dtype.kind == "u":  # what -1 becomes in a type without a sign, unless so many classes there are
        none = np.iinfo(values.dtype).max if np.unique(values).size <= values.max(initial=0) else -1
        values = np.where(values == none, -1.0, values)
    elif values.dtype.kind != "f":
        values = values.astype(np.int64)
    known = np.isfinite(values) & (values >= 0)
    if (values[known] != np.round(values[known])).any():
        raise ValueError(f"its labels must be whole numbers, got {values[known][0]}")
    highest = int(values[known].max(initial=-1))
    if classes and highest >= len(classes):
        raise ValueError(
            f"its labels must be 0 to {len(classes) - 1} (there are {len(classes)} classes), got {highest}"
        )
    if highest >= MOST_CLASSES and not classes:
        raise ValueError(f"its labels must be numbers of classes, 0 to {MOST_CLASSES - 1}, got {highest}")
    classes = classes or tuple(str(number) for number in range(highest + 1))
    labels = tuple(int(value) if here else None for value, here in zip(values.tolist(), known, strict=True))
    return classes, labels if any(known) else None


def _splits(codes: Any, count: int) -> tuple[str, ...]:
    """Return words for split codes: 0, 1 are train, test; where there is a 2 they are train, val, test."""
    values = np.asarray(codes[()]).reshape(count)
    if values.dtype.kind not in "iufb":
        called = words(values)
        if not all(word.strip().isdigit() for word in called):
            return tuple(canonical_split(word) or "all" for word in called)
        values = np.array(called, np.int64)
    known = set(values.tolist())
    names = ("train", "val", "test") if 2 in known else ("train", "test")
    if values.dtype.kind == "b" or not known <= set(range(len(names))):
        found = ", ".join(str(one) for one in sorted(known)[:5])
        raise ValueError(f"its split must be 0, 1 (train, test) or 0, 1, 2 (train, val, test), or words; got {found}")
    return tuple(names[int(value)] for value in values)


def _column(values: Array) -> Array:
    return values[:, None] if values.ndim == 1 else values
