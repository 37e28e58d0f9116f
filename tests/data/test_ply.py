"""PLY of any type, order and layout: read as written, and as plyfile reads it."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plyfile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointssl.data.files.surfaces.ply import read_ply
from pointssl.data.files.surfaces.polygons import triangulate

INTEGERS = {"char": "b", "uint8": "B", "short": "h", "uint16": "H", "int": "i", "uint32": "I"}
NUMBERS = {**INTEGERS, "float": "f", "float64": "d"}
FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def write_ply(path: Path, order: str, elements: Sequence[tuple[str, Any, Any]], end: str) -> Path:
    """Write elements: name, properties (name, type) or (name, type, type of the length), rows."""
    head, body = [f"ply{end}format {order} 1.0{end}comment made by a test{end}"], b""
    for name, properties, rows in elements:
        head.append(f"element {name} {len(rows)}{end}")
        for one in properties:
            head.append(f"property {f'list {one[2]} {one[1]}' if len(one) == 3 else one[1]} {one[0]}{end}")
        for row in rows:
            words: list[str] = []
            for one, value in zip(properties, row, strict=True):
                values = value if len(one) == 3 else [value]
                if order == "ascii":
                    words += [*([str(len(values))] if len(one) == 3 else []), *(repr(item) for item in values)]
                else:
                    body += struct.pack(FORMATS[order] + INTEGERS[one[2]], len(values)) if len(one) == 3 else b""
                    body += struct.pack(f"{FORMATS[order]}{len(values)}{NUMBERS[one[1]]}", *values)
            body += (" ".join(words) + end).encode() if order == "ascii" else b""
    path.write_bytes(("".join(head) + f"end_header{end}").encode() + body)
    return path


@pytest.mark.filterwarnings("ignore:loadtxt")  # plyfile's, of elements without rows
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_read_ply__as_written_and_as_plyfile(tmp_path: Path, data: st.DataObject) -> None:
    order = data.draw(st.sampled_from(sorted(FORMATS)))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    kind, other = (data.draw(st.sampled_from(sorted(NUMBERS))) for _ in range(2))
    index, length = (data.draw(st.sampled_from(sorted(INTEGERS))) for _ in range(2))
    count = data.draw(st.integers(3, 12))
    numbers = st.integers(0, 100)
    points = data.draw(st.lists(st.tuples(numbers, numbers, numbers), min_size=count, max_size=count))
    corner = st.integers(0, count - 1)
    polygons = data.draw(st.lists(st.lists(corner, min_size=0, max_size=6), max_size=8))
    value = float if kind in ("float", "float64") else int
    extra = 0.5 if other in ("float", "float64") else 1
    elements = [
        ("vertex", [("w", other), ("x", kind), ("y", kind), ("z", kind)], [[extra, *map(value, p)] for p in points]),
        (
            "face",
            [("q", other), ("vertex_indices", index, length), ("r", other)],
            [[extra, p, extra] for p in polygons],
        ),
        ("camera", [("p", other, length)], [[[extra, extra]], [[]], [[extra]]]),
    ]
    path = write_ply(tmp_path / "a.ply", order, data.draw(st.permutations(elements)), end)
    surface = read_ply(path)
    np.testing.assert_array_equal(surface.vertices, points)
    counts = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
    corners = np.array([one for polygon in polygons for one in polygon], dtype=np.int64)
    expected, _ = triangulate(np.array(points), counts, corners)
    np.testing.assert_array_equal(surface.faces, expected)
    if end == "\r\n" and order != "ascii":
        return  # plyfile refuses these
    seen = plyfile.PlyData.read(str(path))
    np.testing.assert_array_equal(surface.vertices, np.stack([seen["vertex"][axis] for axis in "xyz"], axis=1))
    assert [list(map(int, one)) for one in seen["face"]["vertex_indices"]] == polygons


def test_read_ply__binary_numbers_that_look_like_line_ends(tmp_path: Path) -> None:
    rows = [[13, 10, 13], [10, 13, 10], [1, 2, 3]]
    axes = [("x", "uint8"), ("y", "uint8"), ("z", "uint8")]
    assert (
        read_ply(
            write_ply(tmp_path / "a.ply", "binary_little_endian", [("vertex", axes, rows)], "\n")
        ).vertices.tolist()
        == rows
    )


def test_read_ply__colours_of_faces(tmp_path: Path) -> None:
    axes = [("x", "float"), ("y", "float"), ("z", "float")]
    rows = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    lists = [("vertex_indices", "int", "uint8"), ("red", "uint8"), ("green", "uint8"), ("blue", "uint8")]
    faces = [[[0, 1, 2, 3], 1, 0, 0], [[0, 1, 2], 0, 255, 51]]
    for order in FORMATS:  # a text says that (1, 0, 0) is of 8 bits, too
        surface = read_ply(write_ply(tmp_path / "a.ply", order, [("vertex", axes, rows), ("face", lists, faces)], "\n"))
        assert surface.face_color is not None
        np.testing.assert_allclose(surface.face_color, [[1 / 255, 0, 0], [1 / 255, 0, 0], [0, 1, 0.2]], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("element vertex 2000000000\nproperty float x\nend_header\n1 2 3", "cut short: 3 of 2000000000 vertices"),
        ("element vertex 1\nproperty floaty x\nend_header\n1", "not understood: 'property floaty x'"),
        (
            "element vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n1 2 3 4",
            "1 more numbers",
        ),
        ("element vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n1 2,5 3", "'2,5' is not"),
        ("element vertex -1\nproperty float x\nend_header\n", "fewer than no rows"),
        ("element vertex 1\nproperty float x\n", "no end"),
    ],
)
def test_read_ply__damaged(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.ply").write_text(f"ply\nformat ascii 1.0\n{text}")
    with pytest.raises(ValueError, match=reason):
        read_ply(tmp_path / "a.ply")


@pytest.mark.parametrize("length", [2**31 - 1, -5])
def test_read_ply__length_of_a_list_that_is_a_lie(tmp_path: Path, length: int) -> None:
    axes = [("x", "float"), ("y", "float"), ("z", "float")]
    lists = [("vertex_indices", "int", "int")]
    path = write_ply(
        tmp_path / "a.ply", "binary_little_endian", [("vertex", axes, [[0, 0, 0]]), ("face", lists, [[[0]]])], "\n"
    )
    path.write_bytes(path.read_bytes()[:-8] + struct.pack("<ii", length, 0))
    with pytest.raises(ValueError, match=r"cut short: 0 of 1 faces|a list of -5 entries"):
        read_ply(path)
