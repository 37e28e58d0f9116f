"""LDraw: files within files, in their places, with their outside outside. The library is ours, as small as can be."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.files.readers import read_clouds, read_surface
from pointssl.data.files.scan import scan
from pointssl.errors import DataError
from pointssl.ops.random_points import triangle_normals

STILL = "1 0 0 0 1 0 0 0 1"
QUAD = "0 BFC CERTIFY CCW\n4 16 0 0 0 1 0 0 1 1 0 0 1 0\n2 24 0 0 0 1 0 0\n"
"""The unit square, seen from above with z up: normal (0, 0, 1)."""


def library(root: Path) -> Path:
    """Write a primitive, a part of a part, and return the folder of parts."""
    for folder in ("p/48", "parts/s"):
        (root / folder).mkdir(parents=True)
    (root / "p" / "square.dat").write_text(QUAD)
    (root / "p" / "48" / "fine.dat").write_text("0 BFC CERTIFY CW\n3 16 0 0 0 0 1 0 1 0 0\n")  # the same way round
    (root / "parts" / "s" / "half.dat").write_text(f"1 16 2 0 0 {STILL} SQUARE.DAT\n1 16 0 0 0 {STILL} 48\\fine.dat\n")
    return root / "parts"


def sides(path: Path) -> tuple[list[list[float]], float]:
    """Return the normals that occur, and the whole area."""
    surface = read_surface(path)
    normals, area = triangle_normals(surface.vertices, surface.faces)
    return np.unique(np.round(normals, 6) + 0.0, axis=0).tolist(), float(area.sum())


def test_read_ldraw__files_within_files_in_their_places(tmp_path: Path) -> None:
    parts = library(tmp_path)
    (parts / "1.dat").write_text(
        f"0 A part\n1 16 0 0 5 {STILL} s\\half.dat\n3 16 0 0 0 2 0 0 0 2 0\n5 24 0 0 0 1 0 0 0 1 0 1 1 0\n"
    )
    surface = read_surface(parts / "1.dat")
    found = surface.vertices[surface.faces].reshape(-1, 9).tolist()
    assert sorted(found) == sorted(
        [
            [0, 0, 0, 2, 0, 0, 0, 2, 0],
            [2, 0, 5, 3, 0, 5, 3, 1, 5],
            [2, 0, 5, 3, 1, 5, 2, 1, 5],
            [1, 0, 5, 0, 1, 5, 0, 0, 5],
        ]
    )
    assert sides(parts / "1.dat") == ([[0, 0, 1]], 2 + 1 + 0.5)


@pytest.mark.parametrize(
    ("lines", "normal"),
    [
        (f"1 16 0 0 0 {STILL} square.dat", [0, 0, 1]),
        (f"0 BFC INVERTNEXT\n1 16 0 0 0 {STILL} square.dat", [0, 0, -1]),
        ("1 16 0 0 0 -1 0 0 0 1 0 0 0 1 square.dat", [0, 0, 1]),  # mirrored along x: seen from above as before
        ("1 16 0 0 0 1 0 0 0 1 0 0 0 -1 square.dat", [0, 0, -1]),  # mirrored along its normal
        ("0 BFC INVERTNEXT\n1 16 0 0 0 -1 0 0 0 1 0 0 0 1 square.dat", [0, 0, -1]),
        ("0 BFC CERTIFY CW\n4 16 0 0 0 1 0 0 1 1 0 0 1 0", [0, 0, -1]),
        ("0 BFC CW\n3 16 0 0 0 0 1 0 1 0 0\n0 BFC CCW\n3 16 0 0 0 1 0 0 0 1 0", [0, 0, 1]),
    ],
)
def test_read_ldraw__outside_stays_outside(tmp_path: Path, lines: str, normal: list[float]) -> None:
    parts = library(tmp_path)
    (parts / "1.dat").write_text(lines + "\n")
    assert sides(parts / "1.dat")[0] == [normal]


def test_read_ldraw__several_files_in_one(tmp_path: Path) -> None:
    text = f"0 FILE main.ldr\n1 4 0 0 0 {STILL} Sub one.ldr\n1 4 0 0 9 {STILL} sub one.ldr\n0 FILE sub one.ldr\n{QUAD}"
    (tmp_path / "a.mpd").write_text(text)
    assert sides(tmp_path / "a.mpd") == ([[0, 0, 1]], 2.0)
    [cloud] = read_clouds(tmp_path / "a.mpd", points=100)
    assert set(np.unique(cloud.points[:, 2])) == {0, 9}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"1 16 0 0 0 {STILL} none.dat\n", "it needs 'none.dat', which is neither beside it nor in a library"),
        (f"1 16 0 0 0 {STILL} a.dat\n", "its file 'a.dat' holds itself"),
        ("1 2 3\n4 5 6\n", "a line that is not LDraw: '1 2 3'"),
        ("3 16 0 0 0 1 0 0 0 x 0\n", "could not convert"),
        ("0 nothing\n", "it holds no points"),
    ],
)
def test_read_ldraw__damaged(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.dat").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_surface(tmp_path / "a.dat")


def test_scan__other_files_that_are_called_dat_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1.dat").write_text(QUAD)
    (tmp_path / "2.dat").write_bytes(bytes(range(256)))
    (tmp_path / "3.dat").write_text("12.5 0 7\n")
    listing = scan(tmp_path)
    assert [entry.name for entry in listing.entries] == ["1"]
    assert listing.ignored == ((".dat", 2),)
