"""The header of a PLY: which elements follow, how many of each, and the type of their properties.

Source: G. Turk, "The PLY Polygon File Format", Stanford 1994.
"""

import mmap
from dataclasses import dataclass, replace

import numpy as np

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("long", "int64"), "i8"),
    **dict.fromkeys(("ulong", "uint64"), "u8"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Property:
    """A number of every row, or a list of them."""

    name: str
    dtype: np.dtype
    count: np.dtype | None = None
    """Type of the number of entries; None for what is no list."""


@dataclass(frozen=True, slots=True)
class Element:
    """A table: as many rows as `count`, each with all properties."""

    name: str
    count: int
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """What a file announces."""

    text: bool
    elements: tuple[Element, ...]
    end: int
    """Where the rows begin."""


def parse_header(data: bytes | mmap.mmap) -> Header:
    """Read the header from the beginning of a file.

    Raises:
        ValueError: what it does not say, or says in words that the format does not have.
    """
    if data[:3] != b"ply":
        raise ValueError("it does not begin with 'ply'")
    stop = data.find(b"end_header", 0, _LONGEST)
    if stop < 0:
        raise ValueError("its header has no end")
    head = data[:stop].replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode("utf-8", errors="replace")
    end = stop + len(b"end_header")
    while data[end : end + 1] in (b" ", b"\t"):
        end += 1
    # Only a header with Windows line ends has two bytes there; elsewhere a 13 would belong to the numbers.
    end += 2 if data[end : end + 2] == b"\r\n" and b"\r\n" in data[:stop] else 1
    order = ""
    elements: list[Element] = []
    for line in head.split("\n")[1:]:
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        try:
            if words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(Element(words[1], int(words[2])))
            elif words[0] == "property" and elements:
                one = _property(words[1:], order)
                elements[-1] = replace(elements[-1], properties=(*elements[-1].properties, one))
            else:
                raise KeyError  # noqa: TRY301  said with the others below
        except (KeyError, IndexError, ValueError):
            raise ValueError(f"its header has a line that is not understood: '{line.strip()[:60]}'") from None
    if not order:
        raise ValueError("its header names no format")
    if any(element.count < 0 for element in elements):
        raise ValueError("its header announces fewer than no rows")
    return Header(order == "=", tuple(elements), end)


def _property(words: list[str], order: str) -> Property:
    if words[0] == "list":
        count, kind, name = words[1:4]
        if _TYPES[count][0] == "f":
            raise KeyError(count)
        return Property(name, np.dtype(order + _TYPES[kind]), np.dtype(order + _TYPES[count]))
    return Property(words[1], np.dtype(order + _TYPES[words[0]]))
