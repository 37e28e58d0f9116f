"""Tables of numbers: xyz, txt, pts, csv and a single npy. Separator and header are found out from the first lines."""

import io
from pathlib import Path

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.files.cloud import Array, make_cloud, split_columns
from pointssl.data.files.columns import channels_by_name


def read_table(path: Path) -> Cloud:
    """Return the points of a text table: columns by the names in its header, else x, y, z first.

    Lines that begin with `#` or `//` and a first line with only the number of points are passed over; a comment or a
    first line that names x, y and z is taken as the header.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    start, header = _find_rows(lines)
    rows = [line for line in lines[start:] if line.strip() and not line.lstrip().startswith(("#", "//"))]
    if not rows:
        raise ValueError("it holds no points")
    separator = _separator(rows[0])
    if separator is not None:
        rows = [line.rstrip().rstrip(separator) for line in rows]  # a trailing separator is not a column
    table = np.loadtxt(io.StringIO("\n".join(rows)), dtype=np.float64, delimiter=separator, ndmin=2, comments=None)
    announced = _announced(lines[:start])
    if announced is not None and len(table) < announced:
        raise ValueError(f"it is cut short: {len(table)} of {announced} points")
    names = None if header is None else [word.strip().strip('"') for word in _split(header)]
    return cloud_from_columns(table, names, name=path.stem, origin=str(path))


def read_array(path: Path, values: Array) -> Cloud:
    """Return the cloud in one (n, 3 or more) array."""
    return cloud_from_columns(values, None, name=path.stem, origin=str(path))


def cloud_from_columns(
    table: Array, names: list[str] | None, *, name: str, origin: str, label: int | None = None
) -> Cloud:
    """Return a cloud from (n, 3 or more) columns, named where `names` has x, y and z, else by `split_columns`."""
    if table.ndim != 2 or table.shape[1] < 3:
        raise ValueError(f"points need at least three columns (x, y, z), got an array of shape {table.shape}")
    if names is not None and len(names) == table.shape[1]:
        xyz, channels = channels_by_name(dict(zip(names, table.T, strict=True)))
        return make_cloud(xyz, channels, name=name, origin=origin, label=label)
    return make_cloud(table[:, :3], split_columns(table[:, 3:]), name=name, origin=origin, label=label)


def _find_rows(lines: list[str]) -> tuple[int, str | None]:
    """Return where the numbers begin, and the line that names the columns if there is one."""
    header: str | None = None
    for place, line in enumerate(lines):
        text = line.strip()
        comment = text.startswith(("#", "//"))
        words = _split(text.lstrip("#/"))
        if {"x", "y", "z"} <= {word.strip().strip('"').lower() for word in words}:
            header = text.lstrip("#/")
        elif text and not comment:
            if all(_is_number(word) for word in words):
                if len(words) >= 3:
                    return place, header
                if len(words) > 1 or place > 5:
                    raise ValueError(f"line {place + 1} has {len(words)} columns; points need at least three (x, y, z)")
            elif place > 0 or header is not None:
                raise ValueError(f"line {place + 1} is not a row of numbers: '{text[:40]}'")
    return len(lines), header


def _announced(before: list[str]) -> int | None:
    """Return the number of points that stands alone on a line before them, as in Leica's pts."""
    return next((int(line) for line in before if line.strip().isdigit()), None)


def _separator(row: str) -> str | None:
    return next((mark for mark in (",", ";", "\t") if mark in row), None)


def _split(row: str) -> list[str]:
    separator = _separator(row)
    return [word for word in row.strip().rstrip(separator).split(separator) if word.strip()]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
