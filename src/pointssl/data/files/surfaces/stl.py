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
from pointssl.data.files.surfaces.numbers import flat
from pointssl.data.files.surfaces.surface import Surface

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEAD = 84
_VERTEX = re.compile(rb"vertex\s+(\S+\s+\S+\s+\S+)")
_NAME = re.compile(rb"\A[^\r\n]*?(?=\bfacet\s+normal\b|\bend\Z|[\r\n]|\Z)")
"""What stands behind `solid` or `endsolid`, on the same line; a whole file may be one line."""


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
    if len(data) > needed and (len(data) - needed) % _TRIANGLE.itemsize == 0:
        raise ValueError(f"it announces {count} triangles and holds {(len(data) - _HEAD) // _TRIANGLE.itemsize}")
    return np.frombuffer(data, _TRIANGLE, count, _HEAD)["corners"].reshape(-1, 3)


def _read_text(data: bytes) -> Float[np.ndarray, "c 3"]:
    text, ended = _without_names(data.lower())
    if not ended:
        raise ValueError("it is cut short: a text STL ends with 'endsolid'")
    facets, vertices = text.count(b"facet") - text.count(b"endfacet"), text.count(b"vertex")
    if vertices != 3 * facets:
        raise ValueError(f"it has {vertices} vertices in {facets} facets; each has three")
    rows = [line for line in text.splitlines() if b"vertex" in line]
    try:
        corners = flat(b"\n".join(rows).replace(b"vertex", b" "))
    except ValueError:  # several words on a line
        corners = flat(b" ".join(_VERTEX.findall(text)))
    if corners.size != 9 * facets:
        raise ValueError("it has a vertex of other than three coordinates")
    return corners.reshape(-1, 3)


def _without_names(text: bytes) -> tuple[bytes, bool]:
    """Take the names of solids away, which may be any words, also those of the format; tell whether a solid ends."""
    first, *others = text.split(b"solid")
    pieces = [first, *(_NAME.sub(b"", piece, count=1) for piece in others)]
    ended = any(piece.endswith(b"end") for piece in pieces[:-1])
    return b" ".join(piece.removesuffix(b"end") for piece in pieces), ended


def _own_corners(count: int) -> Int64[np.ndarray, "f 3"]:
    return np.arange(count).reshape(-1, 3)
