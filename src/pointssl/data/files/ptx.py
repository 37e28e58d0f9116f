"""PTX, Leica's text of scans with their positions: each a grid of x, y, z, intensity and perhaps a colour.

Every scan begins with columns, rows, the scanner's position and axes (four lines), and a 4 x 4 matrix that carries its
points, as rows, into the frame of all. A direction without an echo is written 0 0 0 and left out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.columns import Meaning, Reading
from pointssl.data.files.kinds import contents
from pointssl.data.files.tables import decoded

HEADER = 10
"""Lines before the points of a scan."""


@contextmanager
def ptx_scans(path: Path) -> Iterator[tuple[int, Callable[[int], Reading]]]:
    """Give the number of scans in a file, and what reads one of them."""
    lines = _lines(path)
    places = list(_scans(lines))
    yield len(places), lambda scan: _read_scan(lines, scan, *places[scan])


def _read_scan(lines: list[str], scan: int, start: int, count: int) -> Reading:
    """Return one scan in the frame of all scans."""
    matrix = np.array([_row(lines, start - 4 + row, 4) for row in range(4)])
    rows = lines[start : start + count]
    if len(rows) < count:
        raise ValueError(f"scan {scan} is cut short: {len(rows)} of {count} points")
    table: Array = np.loadtxt(rows, np.float64, ndmin=2, comments=None)
    if table.shape[1] not in (3, 4, 7):
        raise ValueError(f"its rows must have 3, 4 or 7 numbers (x y z intensity r g b), got {table.shape[1]}")
    table = table[(table[:, :3] != 0).any(axis=1)]
    names = ("x", "y", "z", "intensity", "red", "green", "blue")[: table.shape[1]]
    channels = {"intensity": table[:, 3:4]} if len(names) > 3 else {}
    if len(names) > 4:
        channels["color"] = as_color(table[:, 4:], 255)
    meanings = tuple(
        Meaning(name, "color" if name in ("red", "green", "blue") else name, "the order of ptx files") for name in names
    )
    return Reading(table[:, :3] @ matrix[:3, :3] + matrix[3, :3], channels, meanings)


def _lines(path: Path) -> list[str]:
    return [line for line in decoded(contents(path)).splitlines() if line.strip()]


def _scans(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield where the points of each scan begin, and how many there should be."""
    place = 0
    while place < len(lines):
        columns, rows = (int(_row(lines, place + line, 1)[0]) for line in range(2))
        if columns < 1 or rows < 1:
            raise ValueError(f"line {place + 1} must be the number of columns of a scan, got {columns} x {rows}")
        yield place + HEADER, columns * rows
        place += HEADER + columns * rows


def _row(lines: list[str], place: int, width: int) -> list[float]:
    try:
        numbers = [float(word) for word in lines[place].split()]
    except (IndexError, ValueError):
        numbers = []
    if len(numbers) != width:
        found = lines[place][:40] if place < len(lines) else "the end of the file"
        raise ValueError(f"line {place + 1} of its header must hold {width} numbers, got '{found}'")
    return numbers
