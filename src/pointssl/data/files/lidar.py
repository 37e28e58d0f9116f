"""Laser scans: las and laz, e57. Their standards say what every field means.

Survey coordinates are kept in float64 until they have been moved towards zero (see `files.cloud`).
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.columns import Meaning, Reading
from pointssl.errors import UserError

MOST_SQUEEZED = 4096
"""LAZ makes points ten to twenty times smaller; a file that claims more than this many times is damaged."""


def open_las(path: Path) -> Any:
    """Open a LAS or LAZ file with laspy, after what its header announces was held against the size of the file.

    Raises:
        ValueError: more records or points than the file has room for; laspy would take hours or memory for them.
    """
    import laspy

    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(247)
    if len(head) < 227 or head[:4] != b"LASF":
        raise ValueError("it does not begin with the header of a LAS file")
    header, offset, records = struct.unpack_from("<HII", head, 94)
    if header + 54 * records > min(offset, size):
        raise ValueError(f"it announces {records} records, for which it has no room")
    if head[25] >= 4 and len(head) == 247:
        start, more = struct.unpack_from("<QI", head, 235)
        if more and start + 60 * more > size:
            raise ValueError(f"it announces {more} records at its end, for which it has no room")
    reader: Any = laspy.open(path)
    announced = reader.header.point_count
    room = (size - offset) * (MOST_SQUEEZED if reader.header.are_points_compressed else 1)
    if room < announced * reader.header.point_format.size:
        reader.close()
        raise ValueError(f"it is cut short: {max(room // reader.header.point_format.size, 0)} of {announced} points")
    return reader


def read_las(path: Path) -> Reading:
    """Return the points of a LAS or LAZ file; the class of each point, where there is one, is its `part`."""
    with open_las(path) as reader:
        announced = reader.header.point_count
        cloud = reader.read()
    if len(cloud.points) < announced:
        raise ValueError(f"it is cut short: {len(cloud.points)} of {announced} points")
    xyz = np.asarray(cloud.xyz)
    names = list(cloud.point_format.dimension_names)
    taken = {"X": "x", "Y": "y", "Z": "z"}
    channels: dict[str, Array] = {}
    for channel, fields in _LAS_FIELDS.items():
        values = [np.asarray(cloud[name]) for name in fields if name in names]
        if any(one.any() for one in values):  # all zeros means that nobody filled fields that the format always has
            taken |= dict.fromkeys(fields, channel)
            table = np.stack(values, axis=1)
            channels[channel] = as_color(table) if channel == "color" else table
    empty = {name for fields in _LAS_FIELDS.values() for name in fields} - set(taken)
    rules = {
        name: "the LAS standard" if name in taken else "left out: all zero" if name in empty else "left out"
        for name in names
    }
    return Reading(xyz, channels, tuple(Meaning(name, taken.get(name, "-"), rules[name]) for name in names))


_LAS_FIELDS = {"color": ("red", "green", "blue"), "intensity": ("intensity",), "part": ("classification",)}

_POLAR = ("x, y, z",)

_E57_FIELDS = {
    **{f"cartesian{axis.upper()}": axis for axis in "xyz"},
    **{f"spherical{name}": "x, y, z" for name in ("Range", "Azimuth", "Elevation")},
    **{f"color{name}": "color" for name in ("Red", "Green", "Blue")},
    "intensity": "intensity",
    "cartesianInvalidState": "which points to leave out",
    "sphericalInvalidState": "which points to leave out",
}


@contextmanager
def e57_scans(path: Path) -> Iterator[tuple[int, Callable[[int], Reading]]]:
    """Give the number of scans in an open file, and what reads one of them."""
    reader = open_e57(path)
    try:
        yield int(reader.scan_count), lambda scan: _read_scan(reader, scan)
    finally:
        reader.close()


def _read_scan(reader: Any, scan: int) -> Reading:
    """Return one scan of an E57 file in the coordinates of the whole, points without an echo left out.

    pye57 reads colours as 8 bits and refuses a scan whose colours are wider, so the fields are asked for as float64.
    """
    from pye57.utils import convert_spherical_to_cartesian

    header = reader.get_header(scan)
    names = list(header.point_fields)
    if header.point_count == 0:
        raise ValueError("it holds no points")
    if header.point_count > 8 * Path(reader.path).stat().st_size:  # a coordinate takes a bit at least
        raise ValueError(f"it announces {header.point_count} points, for which it has no room")
    cartesian, polar = ([name for name, axis in _E57_FIELDS.items() if axis in axes] for axes in ("xyz", _POLAR))
    spherical = not set(cartesian) <= set(names)
    wanted = [name for name in names if name in _E57_FIELDS]
    table = _e57_fields(reader, header, wanted)
    axes = polar if spherical else cartesian
    if not set(axes) <= set(table):
        raise ValueError(f"it has neither Cartesian nor spherical coordinates, only {', '.join(names)}")
    xyz = np.stack([table[name] for name in axes], axis=1)
    xyz = convert_spherical_to_cartesian(xyz) if spherical else xyz
    xyz = reader.to_global(xyz, header.rotation, header.translation) if header.has_pose() else xyz
    full = _full_brightness(header) if "colorRed" in table else None
    state = table.get("sphericalInvalidState" if spherical else "cartesianInvalidState")
    kept = slice(None) if state is None else state == 0
    channels: dict[str, Array] = {}
    if {"colorRed", "colorGreen", "colorBlue"} <= set(table):
        color = np.stack([table[f"color{name}"] for name in ("Red", "Green", "Blue")], axis=1)
        channels["color"] = as_color(color, full)[kept]
    if "intensity" in table:
        channels["intensity"] = table["intensity"][kept, None]
    meanings = tuple(
        Meaning(name, _E57_FIELDS.get(name, "-"), "the E57 standard" if name in _E57_FIELDS else "left out")
        for name in names
    )
    return Reading(xyz[kept], channels, meanings)


def _e57_fields(reader: Any, header: Any, names: list[str]) -> dict[str, Array]:
    from pye57 import libe57

    table = {name: np.empty(header.point_count, np.float64) for name in names}
    buffers = libe57.VectorSourceDestBuffer()
    for name, values in table.items():
        buffers.append(libe57.SourceDestBuffer(reader.image_file, name, values, len(values), True, True))
    header.points.reader(buffers).read()
    return table


def _full_brightness(header: Any) -> int | None:
    """Return the largest value that a whole-number colour field was declared with, if that says anything."""
    from pye57 import libe57

    node = libe57.StructureNode(header.points.prototype())["colorRed"]
    largest = node.maximum() if isinstance(node, libe57.IntegerNode) else 0
    return int(largest) if largest in (255, 65535) else None


def open_e57(path: Path) -> Any:
    """Return the package's reader of a file; it must be closed."""
    try:
        import pye57
    except ImportError as error:
        raise UserError(f"{path}: reading e57 needs one more package: pip install 'pointssl[e57]'") from error
    return pye57.E57(str(path))
