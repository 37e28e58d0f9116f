"""Arrays of a glTF: where its buffers are, and what the accessors on them stand for.

Source: Khronos Group, "glTF 2.0 Specification", sections 3.6 and 5.1.
"""

import base64
import binascii
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]

_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_buffers(document: Json, own: bytes | None, folder: Path) -> list[bytes]:
    """Return the buffers: inside the file (`own`), written into it as text, or in files beside it.

    Raises:
        ValueError: one that is missing, too short, or outside of the folder.
    """
    buffers: list[bytes] = []
    for place, entry in enumerate(document.get("buffers", [])):
        uri = entry.get("uri")
        if uri is None:
            data = own if place == 0 else None
        elif uri.startswith("data:"):
            try:
                data = base64.b64decode(uri.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise ValueError(f"its buffer {place} is damaged ({error})") from error
        else:
            file = folder / unquote(uri)
            if not file.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"its buffer '{uri}' lies outside of its folder")
            if not file.is_file():
                raise ValueError(f"its buffer '{uri}' is not beside it")
            data = file.read_bytes()
        if data is None or len(data) < entry["byteLength"]:
            raise ValueError(f"it is cut short: buffer {place} has {len(data or b'')} of {entry['byteLength']} bytes")
        buffers.append(data)
    return buffers


def read_accessor(document: Json, buffers: list[bytes], number: int) -> NDArray[Any]:
    """Return the values of an accessor, (n, width), whole numbers made fractions where they are `normalized`.

    Raises:
        ValueError: it reaches past its buffer, or its type is not known.
    """
    entry = document["accessors"][number]
    dtype, width, count = np.dtype(_COMPONENTS[entry["componentType"]]), _WIDTHS[entry["type"]], entry["count"]
    if count < 0 or count > sum(map(len, buffers)):
        raise ValueError(f"its accessor {number} announces {count} values, more than it has bytes")
    if "bufferView" in entry:
        values = _view(document, buffers, entry["bufferView"], entry.get("byteOffset", 0), dtype, width, count)
    else:
        values = np.zeros((count, width), dtype)
    if "sparse" in entry:
        values = _replaced(document, buffers, entry["sparse"], values)
    if entry.get("normalized") and dtype.kind != "f":
        fractions = values / np.float64(np.iinfo(dtype).max)
        return np.maximum(fractions, -1.0)
    return values


def _view(
    document: Json, buffers: list[bytes], number: int, offset: int, dtype: np.dtype, width: int, count: int
) -> NDArray[Any]:
    """Return rows of a buffer without copying them."""
    view = document["bufferViews"][number]
    row = width * dtype.itemsize
    stride = view.get("byteStride") or row
    start = view.get("byteOffset", 0) + offset
    end = start + stride * (count - 1) + row if count else start
    buffer = buffers[view["buffer"]]
    if min(start, offset, stride) < 0 or end > min(len(buffer), view.get("byteOffset", 0) + view["byteLength"]):
        raise ValueError(f"it is cut short: its buffer view {number} ends before its {count} values do")
    return np.ndarray((count, width), dtype, buffer, start, (stride, dtype.itemsize))


def _replaced(document: Json, buffers: list[bytes], sparse: Json, values: NDArray[Any]) -> NDArray[Any]:
    """Return values of which a few are put in the place of others."""
    count, where, what = sparse["count"], sparse["indices"], sparse["values"]
    kind = np.dtype(_COMPONENTS[where["componentType"]])
    rows = _view(document, buffers, where["bufferView"], where.get("byteOffset", 0), kind, 1, count).reshape(-1)
    width = values.shape[1]
    new = _view(document, buffers, what["bufferView"], what.get("byteOffset", 0), values.dtype, width, count)
    if len(rows) and rows.max() >= len(values):
        raise ValueError(f"its sparse values name row {rows.max()} of {len(values)}")
    changed = values.copy()
    changed[rows] = new
    return changed
