"""The rows of a PLY element, text or binary: a column per property, and of lists their lengths and their entries.

Text counts in numbers, binary in bytes; all else is the same. Lists are read as one block where all rows are as long
as the first, which is nearly always, else row after row.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from pointssl.data.files.surfaces.ply_header import Element, Property

Units = NDArray[Any]
"""float64 numbers of a text, or the bytes (uint8) of a binary file."""


class Column(NamedTuple):
    """One property of all rows."""

    values: NDArray[Any]
    """A number a row; of lists all entries end to end."""
    counts: Int64[np.ndarray, " r"] | None
    """Entries in each row's list; None for what is no list."""


def read_rows(element: Element, units: Units, start: int) -> tuple[dict[str, Column], int]:
    """Return the columns of an element that begins at `start`, and where the next one begins.

    Raises:
        ValueError: the file ends too early.
    """
    widths = [_widths(one, text=units.dtype == np.float64) for one in element.properties]
    least = sum(own or each for own, each in widths)
    if element.count * least > len(units) - start:
        raise _short(element, (len(units) - start) // least)
    if element.count == 0 or not widths:
        return {one.name: Column(np.zeros(0), np.zeros(0, np.int64)) for one in element.properties}, start
    first, sizes, _ = _walk(element, widths, units, start, 1)
    size = int(sizes[0] @ [each for _, each in widths]) + sum(own for own, _ in widths)
    stop = start + element.count * size
    columns = _block(element, widths, units, size, first[0], sizes[0]) if stop <= len(units) else None
    if columns is not None:
        return columns, stop
    starts, sizes, stop = _walk(element, widths, units, start, element.count)
    columns = {}
    for place, (one, (_, each)) in enumerate(zip(element.properties, widths, strict=True)):
        count = sizes[:, place] * each
        ahead = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        values = _decoded(units[np.repeat(starts[:, place], count) + ahead], one.dtype)
        columns[one.name] = Column(_typed(values, one), None if one.count is None else sizes[:, place])
    return columns, stop


def _block(
    element: Element,
    widths: list[tuple[int, int]],
    units: Units,
    row: int,
    starts: Int64[np.ndarray, " p"],
    sizes: Int64[np.ndarray, " p"],
) -> dict[str, Column] | None:
    """Read rows of equal size without copying them, or return None where their lists are not equally long."""

    def view(dtype: np.dtype, at: int, length: int) -> NDArray[Any]:
        each = units.itemsize
        dtype = units.dtype if each > 1 else dtype
        return np.ndarray((element.count, length), dtype, units, at * each, (row * each, dtype.itemsize))

    columns: dict[str, Column] = {}
    for one, (own, _), at, size in zip(element.properties, widths, starts.tolist(), sizes.tolist(), strict=True):
        if one.count is not None and not (view(one.count, at - own, 1) == size).all():
            return None
        counts = None if one.count is None else np.full(element.count, size)
        columns[one.name] = Column(_typed(view(one.dtype, at, size).reshape(-1), one), counts)
    return columns


def _walk(
    element: Element, widths: list[tuple[int, int]], units: Units, start: int, rows: int
) -> tuple[Int64[np.ndarray, "r p"], Int64[np.ndarray, "r p"], int]:
    """Return where the entries of each property begin in each row, how many they are, and where the rows end."""
    plan = [(own, each, _counter(one, units)) for one, (own, each) in zip(element.properties, widths, strict=True)]
    starts: list[int] = []
    sizes: list[int] = []
    at, end = start, len(units)
    for row in range(rows):
        for own, each, count in plan:
            size = 1 if count is None else count(at)
            if size < 0:
                raise ValueError(f"row {row} of its element '{element.name}' has a list of {size} entries")
            at += own
            starts.append(at)
            sizes.append(size)
            at += size * each
            if at > end:
                raise _short(element, row)
    shape = (rows, len(plan))
    return np.array(starts, dtype=np.int64).reshape(shape), np.array(sizes, dtype=np.int64).reshape(shape), at


def _counter(one: Property, units: Units) -> Callable[[int], int] | None:
    """Return what reads the length of a list at a place; past the end it is 0."""
    if one.count is None:
        return None
    if units.dtype == np.float64:
        return lambda at: int(units[at]) if at < len(units) and np.isfinite(units[at]) else 0
    data, size = units.data, one.count.itemsize
    if one.count == np.uint8:
        return lambda at: data[at] if at < len(data) else 0
    order = "big" if one.count.byteorder == ">" else "little"
    signed = one.count.kind == "i"
    return lambda at: int.from_bytes(data[at : at + size], order, signed=signed)  # type: ignore[arg-type]


def _widths(one: Property, *, text: bool) -> tuple[int, int]:
    """Return how many units the length of a list takes (0 for what is no list), and how many each entry."""
    if text:
        return int(one.count is not None), 1
    return (0 if one.count is None else one.count.itemsize), one.dtype.itemsize


def _decoded(units: Units, dtype: np.dtype) -> NDArray[Any]:
    return units.reshape(-1) if units.dtype == np.float64 else np.ascontiguousarray(units).view(dtype).reshape(-1)


def _typed(values: NDArray[Any], one: Property) -> NDArray[Any]:
    """Make whole numbers of a text what their type says: colours of 8 bits are told from fractions by it."""
    if values.dtype != np.float64 or one.dtype.kind == "f":
        return values
    if not (np.isfinite(values).all() and (values == np.trunc(values)).all()):
        raise ValueError(f"its property '{one.name}' has values that are not whole numbers")
    known = np.iinfo(one.dtype)
    fits = bool(values.min(initial=0) >= known.min and values.max(initial=0) <= known.max)
    return values.astype(one.dtype if fits else np.int64)


def _short(element: Element, rows: int) -> ValueError:
    names = {"vertex": "vertices", "face": "faces"}
    return ValueError(f"it is cut short: {rows} of {element.count} {names.get(element.name, element.name)}")
