"""STL: triangles without shared corners, binary or text, whatever the text's case, names, line ends and solids.

Ours, because telling text from binary is the whole difficulty: trimesh 5.2 and numpy-stl look for the word `solid`,
with which many binary files begin and which some texts write in capitals or behind blanks.
Source: "StereoLithography Interface Specification", 3D Systems 1989.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces.numbers import table
from pointssl.data.files.surfaces.surface import Surface

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEAD = 84
_SOLID = re.compile(rb"\b(end)?solid\b[^\r\n]*?(?=\bfacet\s+normal\b|\bendsolid\b|[\r\n]|$)")


def read_stl(path: Path) -> Surface:
    """Return the triangles of an STL.

    Raises:
        ValueError: cut short, or without triangles.
    """
    data = contents(path)
    corners = _read_text(data) if _is_text(data) else _read_binary(data)
    if len(corners) == 0:
        raise ValueError("it holds no triangles")
    return Surface(vertices=corners, faces=_own_corners(len(corners)))


def _is_text(data: bytes) -> bool:
    """Tell text from binary: by the size that a binary file announces, and then by its first words."""
    if len(data) >= _HEAD and len(data) == _HEAD + _TRIANGLE.itemsize * int.from_bytes(data[80:84], "little"):
        return False
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return head.startswith((b"solid", b"facet")) and b"\0" not in data[_HEAD - 4 : 4096]


def _read_binary(data: bytes) -> Float[np.ndarray, "c 3"]:
    if len(data) < _HEAD:
        raise ValueError(f"it is cut short: {len(data)} bytes, and the header alone has {_HEAD}")
    count = int.from_bytes(data[80:84], "little")
    needed = _HEAD + _TRIANGLE.itemsize * count
    if len(data) < needed:
        raise ValueError(f"it is cut short: {len(data)} bytes where {count} triangles need {needed}")
    return np.frombuffer(data, _TRIANGLE, count, _HEAD)["corners"].reshape(-1, 3)


def _read_text(data: bytes) -> Float[np.ndarray, "c 3"]:
    # Names of solids may be any words, also those of the format.
    text = _SOLID.sub(lambda found: b"endsolid" if found[1] else b"", data.lower())
    if b"endsolid" not in text:
        raise ValueError("it is cut short: a text STL ends with 'endsolid'")
    words = text.replace(b"endfacet", b" ").count(b"facet")
    rows = [line[6:] for line in (line.strip() for line in text.splitlines()) if line.startswith(b"vertex")]
    if len(rows) != text.count(b"vertex"):  # several words on a line
        rows = re.findall(rb"vertex\s+(\S+\s+\S+\s+\S+)", text)
    if len(rows) != 3 * words:
        raise ValueError(f"it has {len(rows)} vertices in {words} facets; each has three")
    corners = table(rows) if rows else np.zeros((0, 3))
    if corners.shape[1] != 3:
        raise ValueError("it has a vertex of other than three coordinates")
    return corners


def _own_corners(count: int) -> Int64[np.ndarray, "f 3"]:
    return np.arange(count).reshape(-1, 3)
