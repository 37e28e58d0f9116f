"""From arrays as a file holds them to a `Cloud`: types, units, and coordinates that float32 can carry.

float32 keeps 24 bits. Survey coordinates (millions of metres, differences of millimetres) would spend most of them on
where the cloud lies, so a cloud that lies more than ten times its own size from the origin is moved towards zero in
float64 first, whole numbers too. The shift is written behind the file's name in `Cloud.origin`: adding it again gives
the coordinates of the file.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointssl.data.cloud import Cloud, Points

Array = NDArray[Any]

NO_LABEL = -1
"""What stands in `part` for a point without a label."""

_EXACT = frozenset(np.dtype(kind) for kind in ("f2", "f4", "i1", "u1", "i2", "u2"))
"""Types whose every value float32 holds: there is nothing left to save."""


def make_cloud(
    points: Array,
    channels: Mapping[str, Array] | None = None,
    *,
    label: int | None = None,
    name: str,
    origin: str,
) -> Cloud:
    """Return a `Cloud` of float32 points and channels (`part` is int32), moved towards zero where float32 asks for it.

    Raises:
        ValueError: no points, or channels of another length; the caller knows the file and adds its name.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must have shape (n, 3), got {points.shape}")
    if len(points) == 0:
        raise ValueError("it holds no points")
    settled, shift = settle(points)
    typed = {key: _typed(key, value, len(points)) for key, value in (channels or {}).items()}
    return Cloud(points=settled, channels=typed, label=label, name=name, origin=origin + told(shift))


def settle(points: Array) -> tuple[Points, Array | None]:
    """Return points (n, 3) as float32, and what was subtracted before, if anything was."""
    shift = find_shift(points)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which the check of the data reports
        return np.ascontiguousarray(points if shift is None else points - shift, dtype=np.float32), shift


def told(shift: Array | None) -> str:
    """Return a shift in the words that stand behind the file's name in `Cloud.origin`."""
    return "" if shift is None else f" minus ({', '.join(f'{value:.15g}' for value in shift)})"


def find_shift(points: Array) -> Array | None:
    """Return what to subtract before rounding to float32 (a round number near the middle), or None to leave it.

    Where a cloud lies is told by its bulk: points without data, such as (0, 0, 0) or (-9999, -9999, -9999), and a tenth
    of the others may lie anywhere.
    """
    if points.dtype in _EXACT or len(points) == 0:
        return None
    # Some thousand points say where they are; axes come first because NumPy is several times faster along them.
    axes = np.array(points[:: max(1, len(points) >> 12)].T, np.float64, order="C")
    axes = _kept(axes, np.abs(axes).max(axis=0) < 1e20)  # NaN is not below anything
    marked = (axes[0] == axes[1]) & (axes[0] == axes[2])
    axes = axes if marked.all() else _kept(axes, ~marked)
    count = axes.shape[1]
    if count == 0:
        return None
    half = (count - 1) // 2
    middle = np.partition(axes, (half, count - 1 - half), axis=1)[:, [half, count - 1 - half]].mean(axis=1)
    distance = np.abs(axes - middle[:, None]).max(axis=0)
    most = int(0.9 * (count - 1))
    extent = 2 * float(np.partition(distance, most)[most] or distance.max())
    if extent <= 0 or float(np.abs(middle).max()) <= 10 * extent:
        return None
    step = 10.0 ** np.floor(np.log10(extent))
    shift: Array = np.round(middle / step) * step
    return shift


def _kept(axes: Array, which: Array) -> Array:
    return axes if which.all() else axes[:, which]


def color_range(values: Array) -> int:
    """Return the number that stands for full brightness: 1 for fractions, else 255 or 65535.

    Whole numbers of 8 bits are 0 to 255 whatever their values. Fractions may exceed 1 a little, by rounding or because
    they were fitted; they are told from 0 to 255 by being mostly below 1.
    """
    if values.dtype.itemsize == 1:
        return 255
    with np.errstate(invalid="ignore"):
        known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    top = float(known.max(initial=0))
    if top <= 1:
        return 1
    fractions = values.dtype.kind == "f" and bool((known != np.round(known)).any())
    if fractions and (top <= 2 or float((known > 1).mean()) <= 0.01):
        return 1
    return 255 if top <= 256 else 65535


def as_color(values: Array, full: int | None = None) -> Array:
    """Return colours in [0, 1]; `full` is what full brightness is stored as, found from the values where not given."""
    scale = np.float32(color_range(values) if full is None else full)
    color: Array = np.clip(values.astype(np.float32) / scale, 0, 1)
    return color


def as_part(values: Array) -> Array:
    """Return labels as int32; NaN and whatever is negative means that there is none, which is -1."""
    known = np.isfinite(values) & (values >= 0)
    part: Array = np.where(known, np.where(known, values, 0).astype(np.int32), np.int32(NO_LABEL))
    return part


def as_normal(values: Array) -> Array:
    """Return normals as float32; whole numbers are fractions of the largest that their type holds."""
    divisor = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
    normal: Array = values.astype(np.float32) / np.float32(divisor)
    return normal


def _typed(key: str, values: Array, count: int) -> Array:
    columns = values[:, None] if values.ndim == 1 else values
    if len(columns) != count:
        raise ValueError(f"channel '{key}' has {len(columns)} rows for {count} points")
    return np.ascontiguousarray(as_part(columns) if key == "part" else columns.astype(np.float32, copy=False))
