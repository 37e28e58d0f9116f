"""Data sets that come as one `.npz`: many clouds, their classes and their official split in a single file.

Read are: `points` (or `data`, `xyz`, `pos`) of shape (clouds, points, 3) or, with `offsets`, (points, 3); optionally
`label` (or `labels`, `y`), `class_names`, `split`, `name`, `normals`, `part_label`, `scale`. Coordinates stored as
int16 are fractions of 1024 where they fit into the unit ball so, of 32767 otherwise; `scale` overrides this. Points
may be sorted along a curve: draw from them at random, never take the first ones.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from pointssl.data.arrays import ArrayDataset
from pointssl.data.split_names import split_mask
from pointssl.errors import DataError

POINTS = ("points", "data", "xyz", "pos")
LABELS = ("label", "labels", "y")
CHANNELS = {"normals": "normal", "normal": "normal", "part_label": "part", "colors": "color"}


def open_npz(path: Path, split: str = "all", *, name: str | None = None) -> ArrayDataset:
    """Read one split of a packed `.npz`; raises `DataError` where the file holds something else."""
    try:
        # Opened here: numpy leaves its own handle open where the archive is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if first_of(archive.files, POINTS) is None:
                raise DataError(f"{path} holds {', '.join(archive.files)}; expected an array named {_any(POINTS)}")
            keys = {*POINTS, *LABELS, *CHANNELS, "offsets", "class_names", "split", "name", "scale"}
            arrays = {key: archive[key] for key in archive.files if key in keys}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path}: {error}; expected an .npz of plain arrays") from error
    try:
        return from_arrays(arrays, split, name=name or _title(path), origin=str(path))
    except ValueError as error:
        raise DataError(f"{path} does not fit together: {error}") from error


def from_arrays(arrays: Mapping[str, np.ndarray], split: str, *, name: str, origin: str) -> ArrayDataset:
    """Make a data set of the named arrays, keeping the clouds of `split` only."""
    points = arrays[first_of(arrays, POINTS) or "points"]
    offsets = arrays.get("offsets")
    count = len(points) if offsets is None else len(offsets) - 1
    chosen = split_mask(arrays.get("split"), split_names(arrays.get("split")), split, count, name)
    label_key = first_of(arrays, LABELS)
    labels = None if label_key is None else arrays[label_key].reshape(count)[chosen]
    classes = [str(c) for c in arrays.get("class_names", ())]
    channels = {CHANNELS[key]: _channel(key, arrays[key], points.ndim) for key in CHANNELS if key in arrays}
    # By their places in the file, so that a cloud is called the same in every split.
    names = arrays["name"][chosen] if "name" in arrays else [f"{name}/{row}" for row in np.flatnonzero(chosen)]
    scale = float(arrays["scale"]) if "scale" in arrays else integer_scale(points)
    point_chosen = chosen if offsets is None else np.repeat(chosen, np.diff(offsets))
    return ArrayDataset(
        points[point_chosen][..., :3],
        name=f"{name}/{split}",
        offsets=None if offsets is None else running_offsets(offsets, chosen),
        classes=classes,
        labels=labels,
        channels={key: values[point_chosen] for key, values in channels.items()},
        names=names,
        origin=origin,
        rows=np.flatnonzero(chosen),
        scale=scale,
    )


def integer_scale(points: Shaped[np.ndarray, "*size c"]) -> float:
    """Return what stored coordinates are multiplied with: 1 for floats, 1/1024 or 1/32767 for int16."""
    if points.dtype != np.int16 or points.size == 0:
        return 1.0
    # 1024 leaves room for coordinates up to 32; stored in 1/32767, some cloud comes near the full range.
    return 1 / 32767 if max(-int(points.min()), int(points.max())) > 16384 else 1 / 1024


def split_names(codes: Shaped[np.ndarray, " b"] | None) -> tuple[str, ...]:
    """Name the split numbers: 0 train and 1 test, or 0 train, 1 val and 2 test where a 2 occurs."""
    if codes is None or len(codes) == 0:
        return ()
    return ("train", "val", "test") if codes.max() == 2 else ("train", "test")


def running_offsets(offsets: Int64[np.ndarray, " o"], chosen: Bool[np.ndarray, " b"]) -> Int64[np.ndarray, " p"]:
    """Return the offsets of the chosen clouds once the others are taken out."""
    return np.concatenate([[0], np.cumsum(np.diff(offsets)[chosen])]).astype(np.int64)


def human_segmentations(path: Path, split: str = "all") -> list[Int64[np.ndarray, "s n"]]:
    """Return, for every cloud of `open_npz(path, split)`, all human segmentations of its points, in stored order.

    Segment numbers have no meaning across people. Source: X. Chen, A. Golovinskiy, T. Funkhouser, "A Benchmark for 3D
    Mesh Segmentation", SIGGRAPH 2009.
    """
    with np.load(path, allow_pickle=False) as archive:
        if "segment" not in archive.files or "segment_model" not in archive.files:
            raise DataError(f"{path} has no human segmentations (arrays 'segment' and 'segment_model')")
        segment, model = archive["segment"].astype(np.int64), archive["segment_model"]
        codes = archive["split"] if "split" in archive.files else None
        count = len(archive["label"])
    chosen = split_mask(codes, split_names(codes), split, count, str(path))
    return [segment[model == index] for index in np.flatnonzero(chosen)]


def first_of(present: Mapping[str, np.ndarray] | list[str], wanted: tuple[str, ...]) -> str | None:
    """Return the first of `wanted` that is present."""
    return next((key for key in wanted if key in present), None)


def _channel(key: str, values: np.ndarray, dims: int) -> np.ndarray:
    """Return a channel with a last axis and in its usual type: unit normals as float32, parts as int64."""
    if key == "part_label":
        return values.astype(np.int32).reshape(*values.shape[: dims - 1], 1)
    return values.astype(np.float32) / 127 if values.dtype == np.int8 else values.astype(np.float32)


def _any(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def _title(path: Path) -> str:
    """`psb-shrec12/clouds.npz` is called after its folder, `shapes.npz` after itself."""
    return path.resolve().parent.name if path.stem in ("clouds", "models") else path.stem
