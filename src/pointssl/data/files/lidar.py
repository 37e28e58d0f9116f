"""Laser scans: las and laz, e57, and KITTI's bin.

Survey coordinates are kept in float64 until they have been moved towards zero (see `formats.cloud`).
"""

from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.files.cloud import Array, as_color, make_cloud
from pointssl.errors import UserError


def read_las(path: Path) -> Cloud:
    """Return the points of a LAS or LAZ file; the class of each point, where there is one, is its `part`."""
    import laspy

    with laspy.open(path) as reader:
        announced = reader.header.point_count
        cloud = reader.read()
    if len(cloud.points) < announced:
        raise ValueError(f"it is cut short: {len(cloud.points)} of {announced} points")
    xyz = np.stack([np.asarray(cloud.x), np.asarray(cloud.y), np.asarray(cloud.z)], axis=1)
    names = set(cloud.point_format.dimension_names)
    channels: dict[str, Array] = {}
    if {"red", "green", "blue"} <= names:
        channels["color"] = as_color(np.stack([np.asarray(cloud[name]) for name in ("red", "green", "blue")], axis=1))
    for channel, name in (("intensity", "intensity"), ("part", "classification")):
        values = np.asarray(cloud[name]) if name in names else np.zeros(0)
        if values.any():  # the format always has these fields; all zeros means that nobody filled them
            channels[channel] = values[:, None]
    return make_cloud(xyz, channels, name=path.stem, origin=str(path))


def count_e57(path: Path) -> int:
    """Return the number of scans in the file."""
    reader = open_e57(path)
    try:
        return int(reader.scan_count)
    finally:
        reader.close()


def read_e57(path: Path, scan: int) -> Cloud:
    """Return one scan of an E57 file in the coordinates of the whole, points without an echo left out."""
    reader = open_e57(path)
    try:
        table = reader.read_scan(scan, intensity=True, colors=True, ignore_missing_fields=True)
        several = reader.scan_count > 1
    finally:
        reader.close()
    xyz = np.stack([table[f"cartesian{axis}"] for axis in "XYZ"], axis=1).astype(np.float64)
    channels: dict[str, Array] = {}
    if "colorRed" in table:
        channels["color"] = as_color(np.stack([table[f"color{name}"] for name in ("Red", "Green", "Blue")], axis=1))
    if "intensity" in table:
        channels["intensity"] = table["intensity"][:, None]
    place = f"[{scan}]" if several else ""
    return make_cloud(xyz, channels, name=path.stem + place, origin=str(path) + place)


def read_kitti(path: Path) -> Cloud:
    """Return one Velodyne scan: float32 x, y, z in metres and the reflectance, which becomes `intensity`."""
    size = path.stat().st_size
    if size % 16:
        raise ValueError(f"its {size} bytes are not rows of four float32 (x, y, z, reflectance)")
    table = np.fromfile(path, dtype="<f4").reshape(-1, 4)
    # Any bytes can be read as numbers; a laser does not see further than this.
    if not np.isfinite(table).all() or np.abs(table[:, :3]).max(initial=0) > 1e4:
        raise ValueError("its numbers are not a scan in metres (x, y, z, reflectance as float32)")
    return make_cloud(table[:, :3], {"intensity": table[:, 3:]}, name=path.stem, origin=str(path))


def open_e57(path: Path) -> Any:
    """Return the package's reader of a file; it must be closed."""
    try:
        import pye57
    except ImportError as error:
        raise UserError(f"{path}: reading e57 needs one more package: pip install 'pointssl[e57]'") from error
    return pye57.E57(str(path))
