"""OFF: vertices and polygons, with normals (N) and colours (C) of vertices, and colours of faces.

Ours, because trimesh 5.2 drops colours and meshio 5.3 refuses the header of many ModelNet files, which begin
`OFF490 518 0`.
Source: "Geomview manual", section OFF, Geometry Center 1996.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces.numbers import ragged, table
from pointssl.data.files.surfaces.polygons import triangulate
from pointssl.data.files.surfaces.surface import Surface, as_indices, no_faces

_HEADER = re.compile(rb"\s*(ST)?(C)?(N)?(4)?(n)?OFF([ \t]+BINARY)?\s*(\d+)\s+(\d+)[^\n]*")


def read_off(path: Path) -> Surface:
    """Return the vertices and the faces of an OFF.

    Raises:
        ValueError: cut short, damaged, or of a form that is not known (binary, other than three dimensions).
    """
    data = contents(path).replace(b"\r\n", b"\n").replace(b"\r", b"\n").removeprefix(b"\xef\xbb\xbf")
    if b"#" in data:
        data = re.sub(rb"#[^\n]*", b"", data)
    header = _HEADER.match(data)
    if header is None:
        raise ValueError("it does not begin with OFF and two counts")
    texture, color, normal, four, other, binary, *counts = header.groups()
    if binary or four or other:
        raise ValueError("it is a binary or not three-dimensional OFF, which is not supported; save it as plain OFF")
    vertices, faces = map(int, counts)
    rows = list(filter(bytes.strip, data[header.end() :].split(b"\n")))
    if len(rows) < vertices + faces:
        raise ValueError(f"it is cut short: {len(rows)} rows where {vertices} vertices and {faces} faces are announced")
    corners = table(rows[:vertices])
    channels = _channels(corners, color is not None, normal is not None, texture is not None)
    if faces == 0:
        return Surface(vertices=corners[:, :3], faces=no_faces(), channels=channels)
    triangles, colors = _faces(corners[:, :3], rows[vertices : vertices + faces])
    return Surface(vertices=corners[:, :3], faces=triangles, channels=channels, face_color=colors)


def _channels(rows: Float64[np.ndarray, "v c"], color: bool, normal: bool, texture: bool) -> dict[str, Array]:
    """Name what stands behind the coordinates: a normal, a colour (three or four numbers), two of texture."""
    width = rows.shape[1] - (2 if texture else 0)
    if width < 3 + 3 * normal + 3 * color:
        raise ValueError(f"a vertex has {rows.shape[1]} numbers, fewer than its header announces")
    channels: dict[str, Array] = {}
    if normal:
        channels["normal"] = rows[:, 3:6]
    first = 6 if normal else 3
    # Many programs write colours under a plain OFF.
    if color or (not normal and width - first in (3, 4)):
        channels["color"] = as_color(rows[:, first : first + 3])
    return channels


def _faces(vertices: Float64[np.ndarray, "v 3"], rows: list[bytes]) -> tuple[Int64[np.ndarray, "f 3"], Array | None]:
    """Return triangles, and their colours where every face has one (three or four numbers behind its corners)."""
    try:
        values, widths = ragged(rows, np.int64)
    except ValueError:  # colours as fractions
        values, widths = ragged(rows)
    start = np.cumsum(widths) - widths
    if widths.min() < 1:
        raise ValueError("it has a face without corners")
    sizes = as_indices(values[start])
    if sizes.min() < 0 or (sizes > widths - 1).any():
        wrong = int(np.argmax((sizes < 0) | (sizes > widths - 1)))
        raise ValueError(f"face {wrong} announces {sizes[wrong]} corners and has {widths[wrong] - 1}")
    ahead = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    corners = as_indices(values[np.repeat(start + 1, sizes) + ahead])
    triangles, owner = triangulate(vertices, sizes, corners)
    behind = widths - 1 - sizes
    if not np.isin(behind, (3, 4)).all():
        return triangles, None
    colors = values[(start + 1 + sizes)[:, None] + np.arange(3)]
    return triangles, as_color(colors)[owner]
