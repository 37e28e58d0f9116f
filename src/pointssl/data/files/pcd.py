"""PCD, the files of the Point Cloud Library: text, binary, and binary compressed column by column with LZF.

Source: "The PCD (Point Cloud Data) file format", PCL documentation; M. Lehmann, LibLZF (the compression).
A sensor's grid of points marks those without an echo by NaN; these are left out, as PCL's own users do.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.files.cloud import Array
from pointssl.data.files.columns import Reading, by_name
from pointssl.data.files.kinds import contents

_KINDS = {"F": "f", "I": "i", "U": "u"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The lines before the data."""

    dtype: np.dtype[np.void]
    count: int
    encoding: str


def read_pcd(path: Path, columns: Sequence[str] | None = None) -> Reading:
    """Return the points with normals, colours (packed `rgb` too) and intensities where the file has them."""
    with io.BytesIO(contents(path)) as file:
        header = _read_header(file)
        table = _READERS[header.encoding](file.read(), header)
    fields = header.dtype.names or ()
    if columns is not None:
        if len(columns) != len(fields):
            raise ValueError(f"it has the fields {' '.join(fields)}, and --columns names {len(columns)}")
        pairs = [(stated, table[name]) for stated, name in zip(columns, fields, strict=True) if stated != "_"]
    else:
        pairs = [pair for name in fields for pair in _unpacked(name, table[name])]
    read = by_name(pairs)
    seen = np.flatnonzero(~np.isnan(read.xyz.astype(np.float64)).any(axis=1))
    if len(read.xyz) and not len(seen):
        raise ValueError("every point is marked as invalid (NaN)")
    if len(seen) < len(read.xyz):
        read = Reading(read.xyz[seen], {key: values[seen] for key, values in read.channels.items()}, read.meanings)
    return read


def count_points(path: Path) -> int:
    """Return the number of points that the header announces."""
    with path.open("rb") as file:
        return _read_header(file).count


def iterate_columns(path: Path, size: int) -> Iterator[dict[str, Array]]:
    """Yield the columns of `size` points after the other; those of a binary file are read only then."""
    with path.open("rb") as file:
        header = _read_header(file)
        start = file.tell()
        if header.encoding == "binary":
            _require((path.stat().st_size - start) // header.dtype.itemsize, header.count, "points")
            table: Array = np.memmap(path, header.dtype, "r", start, (header.count,))
        else:
            table = _READERS[header.encoding](file.read(), header)
    for first in range(0, header.count, size):
        piece = np.array(table[first : first + size])
        pairs = [pair for name in header.dtype.names or () for pair in _unpacked(name, piece[name])]
        yield {name: values for name, values in pairs if values.ndim == 1}


def _read_header(file: io.BufferedIOBase) -> _Header:
    lines: dict[str, list[str]] = {}
    while "DATA" not in lines:
        raw = file.readline()
        if not raw or len(lines) > 20:
            raise ValueError("its header has no DATA line")
        words = raw.decode("ascii", errors="replace").split("#", 1)[0].split()
        if words:
            lines[words[0].upper()] = words[1:]
    missing = [key for key in ("FIELDS", "SIZE", "TYPE") if key not in lines]
    if missing:
        raise ValueError(f"its header has no {missing[0]} line")
    fields, sizes, kinds = lines["FIELDS"], lines["SIZE"], lines["TYPE"]
    counts = [int(value) for value in lines.get("COUNT", ["1"] * len(fields))]
    if not len(fields) == len(sizes) == len(kinds) == len(counts):
        raise ValueError("FIELDS, SIZE, TYPE and COUNT of its header differ in length")
    # Padding fields are all called "_", which a record type does not allow.
    names = [f"_{place}" if name == "_" else name for place, name in enumerate(fields)]
    dtype = np.dtype(
        [
            (name, f"<{_KINDS[kind.upper()]}{size}", (count,) if count != 1 else ())
            for name, kind, size, count in zip(names, kinds, sizes, counts, strict=True)
        ]
    )
    size = [lines["POINTS"]] if "POINTS" in lines else [lines["WIDTH"], lines["HEIGHT"]]
    points = math.prod(int(words[0]) for words in size)
    encoding = lines["DATA"][0].lower() if lines["DATA"] else ""
    if encoding not in _READERS:
        raise ValueError(f"DATA must be {', '.join(_READERS)}, got '{encoding}'")
    if points < 0 or dtype.itemsize == 0:
        raise ValueError(f"its header announces {points} points of {dtype.itemsize} bytes each")
    return _Header(dtype=dtype, count=points, encoding=encoding)


def _read_text(data: bytes, header: _Header) -> Array:
    rows = [line.split() for line in data.decode("ascii").splitlines()[: header.count] if line.strip()]
    _require(len(rows), header.count, "points")
    # Text has the digits that were written, whatever type the header names: survey coordinates need them all.
    kinds = [(name, "f8" if kind.base.kind == "f" else kind.base, kind.shape) for name, kind in _kinds(header)]
    width = sum(math.prod(shape) for _, _, shape in kinds)
    wrong = next((place for place, row in enumerate(rows) if len(row) != width), None)
    if wrong is not None:
        raise ValueError(f"point {wrong} has {len(rows[wrong])} numbers, and its header names {width}")
    table = np.empty(header.count, kinds)
    column = 0
    for name in header.dtype.names or ():
        field = table.dtype[name]
        width = math.prod(field.shape)
        parse = float if field.base.kind == "f" else int
        values = np.array([[parse(word) for word in row[column : column + width]] for row in rows], field.base)
        table[name] = values.reshape(header.count, *field.shape)
        column += width
    return table


def _kinds(header: _Header) -> list[tuple[str, np.dtype[Any]]]:
    return [(name, header.dtype[name]) for name in header.dtype.names or ()]


def _read_binary(data: bytes, header: _Header) -> Array:
    _require(len(data) // header.dtype.itemsize, header.count, "points")
    return np.frombuffer(data, header.dtype, header.count)


def _read_compressed(data: bytes, header: _Header) -> Array:
    if len(data) < 8:
        raise ValueError("it is cut short: no sizes before the compressed points")
    packed, plain = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4))
    _require(len(data) - 8, packed, "compressed bytes")
    needed = header.count * header.dtype.itemsize
    _require(plain, needed, "bytes")
    expanded = expand_lzf(data[8 : 8 + packed], plain)
    table, offset = np.empty(header.count, header.dtype), 0
    for name in header.dtype.names or ():  # stored column by column
        field = header.dtype[name]
        size = field.itemsize * header.count
        column = np.frombuffer(expanded[offset : offset + size], field.base)
        table[name] = column.reshape(header.count, *field.shape)
        offset += size
    return table


def expand_lzf(data: bytes, size: int) -> bytes:
    """Undo LibLZF: runs of up to 32 bytes as they are, and copies of 3 to 264 bytes from the last 8 kB.

    Raises:
        ValueError: the data end inside a run, a copy reaches before the start, or other than `size` bytes come out.
    """
    out, at = bytearray(), 0
    damaged = ValueError("its compressed points are damaged")
    while at < len(data):
        control = data[at]
        if control < 32:
            run = data[at + 1 : at + control + 2]
            if len(run) <= control:
                raise damaged
            at += control + 2
        else:
            long = control >= 224  # a copy of nine or more bytes has its length in a byte of its own
            if at + 1 + long >= len(data):
                raise damaged
            wanted = 9 + data[at + 1] if long else 2 + (control >> 5)
            period = ((control & 31) << 8) + data[at + 1 + long] + 1
            if period > len(out):
                raise damaged
            start = len(out) - period
            # A copy may overlap what it writes; then what is there repeats.
            run = bytes(out[start : start + wanted] if period >= wanted else out[start:] * (wanted // period + 1))
            run = run[:wanted]
            at += 2 + long
        out += run
        if len(out) > size:
            raise damaged
    _require(len(out), size, "bytes")
    return bytes(out)


_READERS = {"ascii": _read_text, "binary": _read_binary, "binary_compressed": _read_compressed}


def _require(found: int, wanted: int, what: str) -> None:
    if found < wanted:
        raise ValueError(f"it is cut short: {found} of {wanted} {what}")


def _unpacked(name: str, values: Array) -> list[tuple[str, Array]]:
    """Return a field as it is, but PCL's colour as the three bytes inside one 32-bit number, often declared a float.

    In text such a float is written as itself or as the whole number of its bits. Bits that make NaN cannot be written
    as a float: then the colours are gone.
    """
    if name not in ("rgb", "rgba") or values.ndim != 1:
        return [(name, values)]
    if values.dtype.kind != "f" or values.dtype.itemsize == 4:
        whole = np.ascontiguousarray(values)
        whole = whole.view(np.uint32) if whole.dtype.itemsize == 4 else whole.astype(np.uint32)
    elif not np.isfinite(values).all():
        return [(name, values)]
    elif (values == np.round(values)).all() and np.abs(values).max(initial=0) < 2**32:
        whole = values.astype(np.int64).astype(np.uint32)
    else:
        whole = values.astype(np.float32).view(np.uint32)
    return [
        (part, ((whole >> shift) & 255).astype(np.uint8)) for part, shift in (("red", 16), ("green", 8), ("blue", 0))
    ]
