"""Wavefront OBJ: vertices, with colours where they have some, and polygons; groups and materials play no part.

Ours, because trimesh 5.2 takes indices that count back from the wrong place where vertices and faces alternate, clips
colours of 0 to 255, and needs minutes for thousands of groups; tinyobjloader has no wheels and holds single precision.
Source: "Object Files (.obj)", Wavefront Advanced Visualizer manual, appendix B1, 1995.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces.numbers import flat, table
from pointssl.data.files.surfaces.polygons import triangulate
from pointssl.data.files.surfaces.surface import Surface

_COLORED = (6, 7)
"""Numbers of a vertex that has red, green, blue, and perhaps opacity, behind its coordinates."""


def read_obj(path: Path) -> Surface:
    """Return the vertices and the faces of an OBJ.

    Raises:
        ValueError: numbers that are none, vertices that are not there, or only curved surfaces.
    """
    lines = _lines(contents(path))
    at = [place for place, line in enumerate(lines) if line.startswith((b"v ", b"v\t"))]
    if not at:
        raise ValueError("it holds no points")
    rows = table([lines[place][2:] for place in at])
    if rows.shape[1] < 3:
        raise ValueError("it has a vertex of fewer than three coordinates")
    faces_at = [place for place, line in enumerate(lines) if line.startswith((b"f ", b"f\t", b"fo "))]
    if not faces_at and any(line.startswith((b"surf ", b"curv ")) for line in lines):
        raise ValueError("it holds curved surfaces (surf), not polygons; export it as polygons")
    counts, corners = _corners([lines[place][2:] for place in faces_at])
    if len(corners) and corners.min() < 0:  # these count back from the vertices that stand above them
        above = np.repeat(np.searchsorted(np.array(at), np.array(faces_at)), counts)
        corners = np.where(corners < 0, above + corners, corners - 1)
    else:
        corners = corners - 1
    xyz = rows[:, :3]
    faces, _ = triangulate(xyz, counts, corners)
    return Surface(vertices=xyz, faces=faces, channels=_colors(rows))


def _lines(data: bytes) -> list[bytes]:
    """Return the lines without comments, continued ones in one piece."""
    if b"#" in data:
        data = re.sub(rb"#[^\r\n]*", b"", data)
    if b"\\" in data:
        data = re.sub(rb"\\[ \t]*\r?\n", b" ", data)
    lines = data.splitlines()
    return [line.lstrip() for line in lines] if re.search(rb"[\r\n][ \t]+\S", data) else lines


def _corners(rows: list[bytes]) -> tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " c"]]:
    """Return the corners of each face, and their numbers as written: from 1, or negative."""
    if not rows:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    # 0 is no number of a vertex, so it can stand between the faces.
    text = b" 0 ".join(rows)
    if b"/" in text:
        text = re.sub(rb"/[^\s]*", b"", text)  # behind the slash stand texture and normal
    values = flat(text, np.int64)
    marks = np.flatnonzero(values == 0)
    if len(marks) != len(rows) - 1:
        raise ValueError("a face names vertex 0, but they are counted from 1")
    return np.diff(marks, prepend=-1, append=len(values)) - 1, np.delete(values, marks)


def _colors(rows: Array) -> dict[str, Array]:
    return {"color": as_color(rows[:, 3:6])} if rows.shape[1] in _COLORED else {}
