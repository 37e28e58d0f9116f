"""Large scans, a piece at a time: las, laz, ply, pcd and e57 without ever being whole in memory.

Text and compressed files of these kinds are the exception: they are unpacked at once, and then handed out in pieces.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from pointssl.data.cloud import Cloud
from pointssl.data.files import pcd
from pointssl.data.files.cloud import Array, make_cloud
from pointssl.data.files.columns import channels_by_name
from pointssl.data.files.kinds import kind_of, name_of
from pointssl.data.files.lidar import open_e57, open_las
from pointssl.data.files.surfaces.ply import is_surface, vertex_columns

SCANS = (".las", ".laz", ".ply", ".pcd", ".e57")
"""Kinds that can be read in pieces."""

CHUNK = 1 << 18
"""Points in a piece: some 20 MB."""

MOST = 1 << 24
"""Points of a scan that are read as one cloud; of more, so many are drawn at random. `data cut` keeps all."""

_E57 = ("intensity", "colorRed", "colorGreen", "colorBlue")
_COLORS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the points of a scan; those without an echo are left out."""

    rows: Int64[np.ndarray, " m"]
    """Their places in the file (in the scan, where a file holds several), counted from 0."""
    columns: dict[str, Array]
    """x, y and z with all digits of the file, and whatever else it says of each point, by its names."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan in a file."""

    path: Path
    count: int
    """Points that the file announces, those without an echo too."""
    place: int = 0
    several: bool = False

    def chunks(self, size: int = CHUNK) -> Iterator[Chunk]:
        """Yield the points in the order of the file.

        Raises:
            ValueError: damaged, cut short, or without coordinates.
        """
        start = 0
        for columns in _READERS[kind_of(self.path)](self, size):
            length = len(next(iter(columns.values())))
            rows = np.arange(start, start + length)
            start += length
            missing = {"x", "y", "z"} - set(columns)
            if missing:
                raise ValueError(f"it has no {', '.join(sorted(missing))}, only {', '.join(columns)}")
            seen = np.isfinite([columns[axis] for axis in "xyz"]).all(axis=0)
            if not seen.all():
                rows, columns = rows[seen], {key: values[seen] for key, values in columns.items()}
            yield Chunk(rows, columns)
        if start < self.count:
            raise ValueError(f"it is cut short: {start} of {self.count} points")


def open_scans(path: Path) -> list[Scan]:
    """Return the scans in a file, without reading their points.

    Raises:
        ValueError: of another kind, or damaged.
    """
    kind = kind_of(path)
    if kind in (".las", ".laz"):
        with open_las(path) as reader:
            return [Scan(path, reader.header.point_count)]
    if kind == ".e57":
        file = open_e57(path)
        try:
            counts = [file.get_header(place).point_count for place in range(file.scan_count)]
        finally:
            file.close()
        return [Scan(path, count, place, len(counts) > 1) for place, count in enumerate(counts)]
    if kind == ".ply":
        if is_surface(path):
            raise ValueError("it is a mesh, and no scan")
        return [Scan(path, len(next(iter(vertex_columns(path).values()))))]
    if kind == ".pcd":
        return [Scan(path, pcd.count_points(path))]
    raise ValueError(f"scans are {' '.join(SCANS)}")


def sample(scan: Scan, count: int, generator: np.random.Generator) -> Chunk:
    """Return `count` points of a scan, each as likely as any other, in the order of the file; all where it has fewer.

    Every point gets a random number, and the lowest stay: no more than twice `count` are ever in memory.
    """
    parts: list[Chunk] = []
    numbers: list[Array] = []
    held = 0
    for chunk in scan.chunks():
        parts.append(chunk)
        numbers.append(generator.random(len(chunk.rows)))
        held += len(chunk.rows)
        if held > 2 * count:
            parts, numbers = _lowest(parts, numbers, count)
            held = count
    [whole], _ = _lowest(parts, numbers, count)
    return whole


def read_large(path: Path, place: int, seed: int) -> Cloud | None:
    """Return `MOST` points of a scan that has more, drawn at random; None where it has no more."""
    if kind_of(path) not in SCANS or path.stat().st_size < MOST:  # no point takes less than a byte
        return None
    if kind_of(path) == ".ply" and is_surface(path):
        return None
    scan = open_scans(path)[place]
    if scan.count <= MOST:
        return None
    chunk = sample(scan, MOST, np.random.default_rng([seed, scan.count, place]))
    xyz, channels = channels_by_name(chunk.columns)
    here = f"[{place}]" if scan.several else ""
    origin = f"{path}{here} ({len(xyz)} of {scan.count} points)"
    name = f"{name_of(path)}/{place}" if scan.several else name_of(path)
    return make_cloud(xyz, channels, name=name, origin=origin)


def _lowest(parts: list[Chunk], numbers: list[Array], count: int) -> tuple[list[Chunk], list[Array]]:
    """Return the points with the `count` lowest numbers as one chunk."""
    if not parts:
        raise ValueError("it holds no points")
    every = np.concatenate(numbers)
    kept = np.sort(np.argpartition(every, count)[:count]) if len(every) > count else slice(None)
    columns = {key: np.concatenate([part.columns[key] for part in parts])[kept] for key in parts[0].columns}
    return [Chunk(np.concatenate([part.rows for part in parts])[kept], columns)], [every[kept]]


def _las(scan: Scan, size: int) -> Iterator[dict[str, Array]]:
    with open_las(scan.path) as reader:
        names = set(reader.header.point_format.dimension_names)
        for points in reader.chunk_iterator(size):
            columns = {axis: np.asarray(getattr(points, axis)) for axis in "xyz"}
            extra = [name for name in (*_COLORS, "intensity", "classification") if name in names]
            yield columns | {name: np.asarray(points[name]) for name in extra}


def _ply(scan: Scan, size: int) -> Iterator[dict[str, Array]]:
    columns = {name.lower(): values for name, values in vertex_columns(scan.path).items()}
    for start in range(0, scan.count, size):
        yield {name: np.array(values[start : start + size]) for name, values in columns.items()}


def _pcd(scan: Scan, size: int) -> Iterator[dict[str, Array]]:
    yield from pcd.iterate_columns(scan.path, size)


def _e57(scan: Scan, size: int) -> Iterator[dict[str, Array]]:
    """Read the fields as float64, whatever they are stored as; in the coordinates of the whole file."""
    from pye57 import libe57
    from pye57.utils import convert_spherical_to_cartesian

    file = open_e57(scan.path)
    try:
        header = file.get_header(scan.place)
        polar = "cartesianX" not in header.point_fields
        axes = (
            [f"spherical{name}" for name in ("Range", "Azimuth", "Elevation")]
            if polar
            else [f"cartesian{axis}" for axis in "XYZ"]
        )
        state = "sphericalInvalidState" if polar else "cartesianInvalidState"
        fields = [*axes, *(name for name in (*_E57, state) if name in header.point_fields)]
        arrays = {name: np.empty(size, np.float64) for name in fields}
        buffers = libe57.VectorSourceDestBuffer()
        for name, values in arrays.items():
            buffers.append(libe57.SourceDestBuffer(file.image_file, name, values, size, True, True))
        reader = header.points.reader(buffers)
        while (found := reader.read()) > 0:
            xyz = np.stack([arrays[name][:found] for name in axes], axis=1)
            xyz = convert_spherical_to_cartesian(xyz) if polar else xyz
            if header.has_pose():
                xyz = file.to_global(xyz, header.rotation, header.translation)
            if state in arrays:
                xyz[arrays[state][:found] != 0] = np.nan
            columns = dict(zip("xyz", xyz.T.copy(), strict=True))
            named = {name.removeprefix("color").lower(): arrays[name][:found].copy() for name in _E57 if name in arrays}
            yield columns | named
        reader.close()
    finally:
        file.close()


_READERS = {".las": _las, ".laz": _las, ".ply": _ply, ".pcd": _pcd, ".e57": _e57}
