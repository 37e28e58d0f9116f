"""From arrays as a file holds them to a `Cloud`: types, units, and coordinates that float32 can carry.

float32 keeps 24 bits. Survey coordinates (millions of metres, differences of millimetres) would spend most of them on
where the cloud lies, so a cloud whose float64 coordinates are more than ten times larger than the cloud itself is moved
towards zero in float64 first. The shift is written behind the file's name in `Cloud.origin`: adding it again gives
the coordinates of the file.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointssl.data.cloud import Cloud

Array = NDArray[Any]


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
    shift = find_shift(points)
    if shift is not None:
        points = points - shift
        origin = f"{origin} minus ({', '.join(f'{value:.15g}' for value in shift)})"
    typed = {key: _typed(key, value, len(points)) for key, value in (channels or {}).items()}
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, which the check of the data reports
        return Cloud(
            points=np.ascontiguousarray(points, dtype=np.float32),
            channels=typed,
            label=label,
            name=name,
            origin=origin,
        )


def find_shift(points: Array) -> Array | None:
    """Return what to subtract before rounding to float32 (a round number near the middle), or None to leave it.

    Coordinates that are float32 already have nothing left to save.
    """
    if points.dtype != np.float64:
        return None
    finite = points[np.isfinite(points).all(axis=1)]
    if len(finite) == 0:
        return None
    low, high = finite.min(axis=0), finite.max(axis=0)
    extent = float((high - low).max())
    if extent <= 0 or float(np.abs(finite).max()) <= 10 * extent or not np.isfinite(extent):
        return None
    step = 10.0 ** np.floor(np.log10(extent))
    shift: Array = np.round((low + high) / 2 / step) * step
    return shift


def as_color(values: Array) -> Array:
    """Return colours in [0, 1] from whole numbers (8 or 16 bits, told by their size) or from fractions."""
    scaled = values.astype(np.float32)
    top = scaled.max(initial=0.0)
    if values.dtype.kind == "f" and top <= 1:
        return scaled
    color: Array = np.clip(scaled / np.float32(255 if top <= 255 else 65535), 0, 1)
    return color


def split_columns(extra: Array) -> dict[str, Array]:
    """Name the columns behind x, y, z where nothing else names them, by what is common and by their values.

    Three are normals where they have length one, else colours; one is an intensity; four are an intensity and a colour,
    or a normal and a part (the layouts of Leica's pts and of ShapeNetPart); six are a colour and a normal, in either
    order. Whatever fits none of these is kept together as `extra`.
    """
    count = extra.shape[1]
    if count == 0:
        return {}
    if count == 1:
        return {"intensity": extra}
    if count == 3:
        return {"normal": extra} if _is_normal(extra) else _color_or_extra(extra)
    if count == 4 and _is_normal(extra[:, :3]):
        return {"normal": extra[:, :3], "part": extra[:, 3:]}
    if count == 4 and _is_color(extra[:, 1:]):
        return {"intensity": extra[:, :1], "color": as_color(extra[:, 1:])}
    if count == 6 and _is_normal(extra[:, 3:]) and _is_color(extra[:, :3]):
        return {"color": as_color(extra[:, :3]), "normal": extra[:, 3:]}
    if count == 6 and _is_normal(extra[:, :3]) and _is_color(extra[:, 3:]):
        return {"normal": extra[:, :3], "color": as_color(extra[:, 3:])}
    return {"extra": extra}


def _color_or_extra(values: Array) -> dict[str, Array]:
    return {"color": as_color(values)} if _is_color(values) else {"extra": values}


def _is_color(values: Array) -> bool:
    """Tell fractions in [0, 1] or whole numbers up to 16 bits from anything else."""
    if not np.isfinite(values).all() or values.min(initial=0) < 0:
        return False
    return bool(values.max(initial=0) <= 1 or ((values == np.round(values)).all() and values.max() <= 65535))


def _is_normal(values: Array) -> bool:
    """Tell unit vectors; files round them, and a few are zero where a surface had no direction."""
    length = np.linalg.norm(values.astype(np.float64), axis=1)
    return bool((np.abs(length - 1) < 0.02).mean() > 0.9)


def _typed(key: str, values: Array, count: int) -> Array:
    columns = values[:, None] if values.ndim == 1 else values
    if len(columns) != count:
        raise ValueError(f"channel '{key}' has {len(columns)} rows for {count} points")
    return np.ascontiguousarray(columns, dtype=np.int32 if key == "part" else np.float32)
