"""PLY, text or binary: polygons of any size and strips become triangles, properties with a known meaning channels.

Ours, because no library reads all of it: trimesh 5.2 returns quads where it says triangles, refuses binary files whose
polygons differ in size and passes over strips; meshio 5.3 and pyminiply 0.2 lose strips or double precision; plyfile
1.1, which agrees in all tests, is under the GPL and reads lists of unequal length a hundred times slower.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.columns import by_name
from pointssl.data.files.kinds import contents, is_compressed
from pointssl.data.files.surfaces.numbers import flat
from pointssl.data.files.surfaces.ply_header import parse_header
from pointssl.data.files.surfaces.ply_rows import Column, Units, read_rows
from pointssl.data.files.surfaces.polygons import strip, triangulate
from pointssl.data.files.surfaces.surface import Surface, as_indices, no_faces

_STRIPS = ("tristrips", "tristrip")
_CORNERS = ("vertex_indices", "vertex_index")


def read_ply(path: Path) -> Surface:
    """Return the vertices of a PLY, and its faces and strips as triangles.

    Raises:
        ValueError: cut short, damaged, or without points.
    """
    elements = dict(_elements(_bytes(path)))
    vertex = elements.get("vertex", {})
    columns = {name: column.values for name, column in vertex.items() if column.counts is None}
    if not any(map(len, columns.values())):
        raise ValueError("it holds no points")
    xyz, channels, meanings = by_name(list(columns.items()))
    faces, colors = [no_faces()], None
    if len(elements.get("face", ())):
        polygons, owner = triangulate(xyz, *_lists(elements["face"], "face"))
        faces.append(polygons)
        colors = _face_colors(elements["face"], owner)
    for name in _STRIPS:
        if len(elements.get(name, ())):
            counts, corners = _lists(elements[name], name)
            faces += [strip(one) for one in np.split(corners, np.cumsum(counts)[:-1])]
            colors = None
    return Surface(vertices=xyz, faces=np.concatenate(faces), channels=channels, face_color=colors, meanings=meanings)


def is_surface(path: Path) -> bool:
    """Tell from its header whether a PLY announces faces or strips."""
    counts = {element.name: element.count for element in parse_header(_bytes(path)).elements}
    return any(counts.get(name) for name in ("face", *_STRIPS))


def vertex_columns(path: Path) -> dict[str, Array]:
    """Return the properties of the vertices as they lie in the file, without reading those of a binary one yet.

    Raises:
        ValueError: cut short, damaged, or without points.
    """
    for name, rows in _elements(_bytes(path)):
        columns = {key: column.values for key, column in rows.items() if column.counts is None}
        if name == "vertex" and any(map(len, columns.values())):
            return columns
    raise ValueError("it holds no points")


def _bytes(path: Path) -> bytes | mmap.mmap:
    """Map a file into memory, so that of a large one only what is asked for is read."""
    if is_compressed(path):
        return contents(path)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _elements(data: bytes | mmap.mmap) -> Iterator[tuple[str, dict[str, Column]]]:
    """Yield the elements in the order of the file."""
    header = parse_header(data)
    units: Units = flat(data[header.end :]) if header.text else np.frombuffer(data, np.uint8)
    at = 0 if header.text else header.end
    for element in header.elements:
        rows, at = read_rows(element, units, at)
        yield element.name, rows
    if header.text and at < len(units):
        raise ValueError(f"it has {len(units) - at} more numbers than its header announces")


def _lists(columns: dict[str, Column], name: str) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " c"]]:
    column = next((columns[one] for one in _CORNERS if one in columns), None)
    if column is None or column.counts is None:
        raise ValueError(f"its element '{name}' has no list {_CORNERS[0]}, only {', '.join(columns)}")
    return column.counts, as_indices(column.values)


def _face_colors(columns: dict[str, Column], owner: Int64[np.ndarray, " f"]) -> Array | None:
    names = ("red", "green", "blue")
    if not all(name in columns and columns[name].counts is None for name in names):
        return None
    return np.asarray(as_color(np.stack([columns[name].values for name in names], axis=1))[owner])
