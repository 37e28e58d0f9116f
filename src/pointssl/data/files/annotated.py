"""A scan written again with further columns for every point, a piece at a time: las, laz, ply, parquet.

From las or laz to las or laz everything that the file says stays as it is, bit for bit: scale, offset, all fields and
records; the new columns are extra bytes, as the standard has them. Any scan can become a binary ply, or a
parquet table, with the columns that are read of it.
"""

import copy
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from pointssl.data.files.chunks import CHUNK, Scan
from pointssl.data.files.cloud import Array
from pointssl.data.files.kinds import kind_of
from pointssl.data.files.lidar import open_las
from pointssl.errors import SettingError

Columns = Callable[[Int64[np.ndarray, " m"]], Mapping[str, Array]]
"""From the places of some points in their file, rising, to the new columns, by name."""

KINDS = (".las", ".laz", ".ply", ".parquet")

_PLY = {
    "i1": "char",
    "u1": "uchar",
    "i2": "short",
    "u2": "ushort",
    "i4": "int",
    "u4": "uint",
    "f4": "float",
    "f8": "double",
}


def check_target(source: Path, out: Path, names: tuple[str, ...]) -> None:
    """Refuse, before any work, an ending that cannot be written, or columns that the file has already."""
    if kind_of(out) not in KINDS:
        raise SettingError(f"{out} must end in one of {' '.join(KINDS)}")
    if kind_of(out) == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise SettingError(f"{out}: writing parquet needs one more package: pip install 'pointssl[parquet]'")
    if kind_of(out) in (".ply", ".parquet"):
        return
    if kind_of(source) not in (".las", ".laz"):
        raise SettingError(f"{out}: only a las or laz becomes one again; write a {kind_of(source)} to a .ply")
    with open_las(source) as reader:
        taken = sorted(set(names) & set(reader.header.point_format.dimension_names))
    if taken:
        raise SettingError(f"{source} has a column '{taken[0]}' already; rename or drop it there first")


def annotate(scan: Scan, out: Path, columns: Columns, told: Callable[[int], None]) -> None:
    """Write the points of `scan` with their new columns to `out`, in the order of the file; `check_target` first."""
    if kind_of(out) == ".ply":
        _ply(scan, out, columns, told)
    elif kind_of(out) == ".parquet":
        _parquet(scan, out, columns, told)
    else:
        _las(scan, out, columns, told)


def _las(scan: Scan, out: Path, columns: Columns, told: Callable[[int], None]) -> None:
    import laspy

    with open_las(scan.path) as reader:
        header = copy.deepcopy(reader.header)
        first = columns(np.arange(0))
        header.add_extra_dims([laspy.ExtraBytesParams(name, values.dtype) for name, values in first.items()])
        start = 0
        with laspy.open(out, mode="w", header=header, do_compress=kind_of(out) == ".laz") as writer:
            for points in reader.chunk_iterator(CHUNK):
                made = laspy.ScaleAwarePointRecord.zeros(len(points), header=header)
                for name in points.array.dtype.names:  # raw fields: whole numbers and bits as they lie in the file
                    made.array[name] = points.array[name]
                for name, values in columns(np.arange(start, start + len(points))).items():
                    made[name] = values
                writer.write_points(made)
                start += len(points)
                told(len(points))
            if header.version.minor >= 4 and reader.evlrs:
                writer.write_evlrs(reader.evlrs)


def _ply(scan: Scan, out: Path, columns: Columns, told: Callable[[int], None]) -> None:
    """The header needs the number of points, which is known at the end: room is left for it."""
    written, room = 0, 20
    with out.open("wb") as file:
        place = 0
        for chunk in scan.chunks():
            table = {**chunk.columns, **columns(chunk.rows)}
            kinds = {name: _type_of(values) for name, values in table.items()}
            if written == 0 and place == 0:
                head = b"ply\nformat binary_little_endian 1.0\nelement vertex "
                place = len(head)
                properties = "".join(f"property {_PLY[kind]} {name}\n" for name, kind in kinds.items())
                file.write(head + b" " * room + b"\n" + properties.encode() + b"end_header\n")
            rows = np.empty(len(chunk.rows), dtype=[(name, f"<{kind}") for name, kind in kinds.items()])
            for name, values in table.items():
                rows[name] = values
            file.write(rows.tobytes())
            written += len(rows)
            told(len(rows))
        file.seek(place)
        file.write(str(written).rjust(room).encode())


def _parquet(scan: Scan, out: Path, columns: Columns, told: Callable[[int], None]) -> None:
    import pyarrow
    from pyarrow import parquet

    writer: Any = None
    try:
        for chunk in scan.chunks():
            table = pyarrow.table({"row": chunk.rows, **chunk.columns, **columns(chunk.rows)})
            writer = writer or parquet.ParquetWriter(out, table.schema)
            writer.write_table(table)
            told(len(chunk.rows))
    finally:
        if writer is not None:
            writer.close()


def _type_of(values: Array) -> str:
    """Return the ply type that holds these values; whole numbers of 64 bits as double, which is exact up to 2^53."""
    kind: Any = values.dtype.str[1:]
    return kind if kind in _PLY else "f8"
