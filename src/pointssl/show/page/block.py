"""Arrays for a page: laid end to end in one block of little-endian bytes, gzip in base64.

An array in a page's JSON is `{"type", "shape", "offset"}` into the block.
"""

import base64
import gzip
from typing import Any, final

import numpy as np

_TYPES = {"float32": "<f4", "uint8": "u1", "int8": "i1", "uint16": "<u2", "uint32": "<u4", "int16": "<i2"}


@final
class Block:
    """Arrays laid end to end, each on a multiple of four bytes as typed arrays in a browser want it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, array: np.ndarray, kind: str) -> dict[str, Any]:
        """Append `array` and return where it lies."""
        raw = np.ascontiguousarray(array).astype(_TYPES[kind]).tobytes()
        place = {"type": kind, "shape": list(array.shape), "offset": self._size}
        self._parts.append(raw + bytes(-len(raw) % 4))
        self._size += len(self._parts[-1])
        return place

    def text(self) -> str:
        """Return all of it as the page carries it."""
        return base64.b64encode(gzip.compress(b"".join(self._parts), 9, mtime=0)).decode("ascii")
