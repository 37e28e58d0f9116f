"""Tables in text: xyz, txt, pts, asc, csv. Separator, header and number of points are found out from the first lines.

A header decides what the columns are, and must fit: a header that names no x, y, z, or another number of columns than
there are, is an error and never passed over. Without one, see `columns.by_values`.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointssl.data.files.cloud import Array
from pointssl.data.files.columns import KNOWN, Reading, by_layout, by_name, by_order, by_values, coordinates, plain
from pointssl.data.files.kinds import contents, kind_of

SEPARATORS = (";", ",", "\t", "|", None)
"""None is any blank. A comma comes after the semicolon, which stands beside decimal commas."""

PTS = {4: ("x", "y", "z", "intensity"), 7: ("x", "y", "z", "intensity", "red", "green", "blue")}
"""Columns of Leica's pts by their number."""

_DECIMAL_COMMA = re.compile(r"\s*-?\d+,\d+(?:[;\t |]+-?\d+,\d+)+\s*")
_COMMAS = "; decimal commas are not read: write 1.5 for 1,5"
_MICROSOFT = {"1.#ind": "nan", "1.#qnan": "nan", "1.#snan": "nan", "1.#inf": "inf"}
"""How older programs for Windows write numbers that are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the first lines of a table say."""

    names: tuple[str, ...] | None
    start: int
    """Place of the first row of numbers."""
    separator: str | None
    width: int
    announced: int | None
    """The number of points, where it stands alone on a line before them."""


def read_table(path: Path, columns: Sequence[str] | None = None) -> Reading:
    """Return the points of a text table; `columns` names them in order where the user does."""
    lines = decoded(contents(path)).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    layout = find_layout(lines, stated=columns is not None)
    rows = [line for line in lines[layout.start :] if line.strip() and not _is_comment(line)]
    if layout.announced is not None and len(rows) < layout.announced:
        raise ValueError(f"it is cut short: {len(rows)} of {layout.announced} points")
    if columns is None and layout.names is not None:
        names = [plain(name) for name in layout.names]
        wanted = [place for place, name in enumerate(names) if name in KNOWN]
        three = {names.index(name) for name in coordinates(names) or ()}
        read = dict(zip(wanted, _numbers(rows, layout, wanted, three).T, strict=True)) if three else {}
        return by_name([(name, read.get(place, np.zeros(0))) for place, name in enumerate(layout.names)])
    three = {place for place, name in enumerate(columns or "xyz") if name in ("x", "y", "z")}
    table = _numbers(rows, layout, range(layout.width), three)
    if columns is not None:
        return by_order(table, columns)
    if kind_of(path) == ".pts" and layout.width in PTS:
        return by_layout(table, PTS[layout.width], "the order of pts files")
    return by_values(table)


def decoded(data: bytes) -> str:
    """Return text whatever it was written in: numbers are the same everywhere, and names are only looked at."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def find_layout(lines: Sequence[str], *, stated: bool) -> Layout:
    """Find the header and the first row; where the columns are `stated`, a header is passed over."""
    names: list[str] | None = None
    remark: list[str] | None = None  # a comment that names x, y, z, and may be a header
    announced: int | None = None
    for place, line in enumerate(lines):
        text = line.strip()
        if not text or _is_comment(text):
            words = _names(text.lstrip("#/ "))
            remark = words if coordinates([plain(word) for word in words]) else remark
            continue
        row = _split(line, names)
        if row is None and names is None:
            words = [word.strip('"') for word in re.split(r"[;,\t| ]+", text) if word.strip('"')]
            if any(_is_number(word) for word in words):
                raise ValueError(f"line {place + 1} is neither numbers nor names: '{text[:40]}'{_hint(text)}")
            names = _names(line)
        elif row is None:
            raise ValueError(f"line {place + 1} is not a row of numbers: '{text[:40]}'{_hint(text)}")
        elif len(row[1]) == 1 and announced is None and text.isdigit():
            announced = int(text)
        else:
            separator, cells = row
            trailing = not cells[-1]
            if stated or (names is None and remark is None):
                found, width = None, len(cells) - trailing
            else:
                found, width = _fitting(names, remark, cells)
            if width < 3:
                raise ValueError(f"line {place + 1} has {width} columns; points need at least three (x, y, z)")
            if found is None and names is None and not stated:
                _require_no_counting(lines, place, cells)
                _require_no_halves(lines[place:], separator)
            return Layout(names=found, start=place, separator=separator, width=width, announced=announced)
    raise ValueError("it holds no points")


def _split(row: str, names: Sequence[str] | None) -> tuple[str | None, list[str]] | None:
    """Return the separator and the cells of a row of numbers, or None.

    Cells behind the first may be empty; under a header with coordinates, only these must be numbers.
    """
    three = coordinates([plain(name) for name in names or ()])
    for separator in SEPARATORS:
        if separator is not None and separator not in row:
            continue
        cells = [cell.strip().strip('"') for cell in row.strip(" \r\n").split(separator)]
        if cells[0] and all(not cell or _is_number(cell) for cell in cells):
            return separator, cells
        fits = names is not None and three is not None and 0 <= len(cells) - len(names) <= 1
        pairs = zip(cells, names or (), strict=False)
        if fits and all(_is_number(cell) for cell, name in pairs if plain(name) in (three or ())):
            return separator, cells
    return None


def _fitting(
    names: Sequence[str] | None, remark: Sequence[str] | None, cells: Sequence[str]
) -> tuple[tuple[str, ...] | None, int]:
    """Return the header that names as many columns as there are cells, and their number."""
    found = list(names if names is not None else remark or ())
    width = len(cells)
    if len(found) == width + 1 and not found[-1]:
        found.pop()
    if len(found) == width - 1 and not cells[-1]:
        width -= 1  # a separator at the end of every line
    if len(found) == width:
        return tuple(found), width
    if names is None and width == 3 and [name for name in map(plain, found) if name in ("x", "y", "z")] == [*"xyz"]:
        return None, width  # a remark such as "points in the order x y z"
    told = ", ".join(name or "(no name)" for name in found)
    raise ValueError(
        f"its header names {len(found)} columns ({told}) and its rows have {width}; correct it, or --columns"
    )


def _require_no_counting(lines: Sequence[str], place: int, cells: Sequence[str]) -> None:
    """Refuse 0,1,2 above numbers with fractions: pandas writes so where columns have no names."""
    following = [line for line in lines[place + 1 : place + 20] if line.strip()]
    counts = list(cells) == [str(number) for number in range(len(cells))]
    if counts and following and all("." in line for line in following):
        message = f"line {place + 1} counts {','.join(cells)}: is it the columns' numbers, or a point?"
        raise ValueError(f"{message} Remove it, or say what the columns are with --columns")


def _require_no_halves(rows: Sequence[str], separator: str | None) -> None:
    """Refuse 1,05,2,50 for 1.05 and 2.50: commas between the halves of numbers as between numbers.

    They are told by a second half that begins with 0, as no whole number does.
    """
    if separator != ",":
        return
    for row in rows[:1000]:
        cells = _cells(row, separator)
        whole = all(cell.removeprefix("-").isdigit() for cell in cells)
        if len(cells) % 2 or not whole:
            return
        if any(len(cell) > 1 and cell.startswith("0") for cell in cells[1::2]):
            raise ValueError(f"its commas stand inside numbers as well as between them: '{row.strip()[:40]}'{_COMMAS}")


def _numbers(rows: Sequence[str], layout: Layout, places: Sequence[int], required: Collection[int]) -> Array:
    """Return the wanted columns (n, c) of all rows."""
    first = _cells(rows[0], layout.separator)
    chosen = None if len(places) == len(first) else tuple(places)
    if chosen is not None:  # else loadtxt counts by itself
        _require_width(rows, layout.separator, len(first))
    try:
        table: Array = np.loadtxt(
            rows, np.float64, delimiter=layout.separator, usecols=chosen, ndmin=2, comments=None, quotechar='"'
        )
    except ValueError:  # cells that are empty, or no numbers
        _require_width(rows, layout.separator, len(first))
        cells = [_cells(row, layout.separator) for row in rows]
        named = dict(enumerate(layout.names or ()))
        table = np.stack([_column(cells, place, named.get(place), place in required) for place in places], axis=1)
    return table


def _require_width(rows: Sequence[str], separator: str | None, width: int) -> None:
    """Raise where a row has more or fewer cells than the first."""
    for number, row in enumerate(rows):
        count = len(row.split()) if separator is None else row.count(separator) + 1
        if count != width and len(_cells(row, separator)) != width:
            told = f"row {number + 1} has {count} columns, the first has {width}: '{row.strip()[:40]}'"
            raise ValueError(told + _hint(row))


def _cells(row: str, separator: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in row.strip(" \r\n").split(separator)]


def _column(table: Sequence[Sequence[str]], place: int, name: str | None, required: bool) -> Array:
    """Return one column; a channel with words in it is NaN throughout, a coordinate must be a number."""
    values = np.full(len(table), np.nan)
    for number, cells in enumerate(table):
        cell = cells[place]
        try:
            values[number] = _number(cell) if cell else np.nan
        except ValueError:
            if name is not None and not required:
                return np.full(len(table), np.nan)
            raise ValueError(
                f"row {number + 1} has '{cell[:20]}' for a number in column {name or place + 1}{_hint(';'.join(cells))}"
            ) from None
        if required and not cell:
            raise ValueError(f"row {number + 1} has nothing in column {name or place + 1}")
    return values


def _number(word: str) -> float:
    return float(_MICROSOFT.get(word.lower().lstrip("+-"), word))


def _is_number(word: str) -> bool:
    try:
        _number(word)
    except ValueError:
        return False
    return True


def _names(header: str) -> list[str]:
    """Return the words of a header; units in brackets belong to the word before them, whatever stands inside."""
    bare = re.sub(r"\s*[\[(][^\])]*[\])]", lambda unit: re.sub(r"[\s;,|]+", "", unit.group()), header.strip(" \r\n"))
    separator = next((mark for mark in SEPARATORS if mark and mark in bare), None)
    return [word.strip().strip('"') for word in bare.split(separator)]


def _hint(text: str) -> str:
    return _COMMAS if _DECIMAL_COMMA.fullmatch(text) else ""


def _is_comment(text: str) -> bool:
    return text.lstrip().startswith(("#", "//"))
