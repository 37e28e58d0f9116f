"""Small glTF files, written by hand from the specification."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"|i1": 5120, "|u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
WIDTHS = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


class Binary:
    """Arrays behind each other, with the accessors that describe them."""

    def __init__(self) -> None:
        self.data = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def view(self, values: np.ndarray) -> int:
        """Add bytes, and return the number of their view."""
        self.data += bytes(-len(self.data) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes})
        self.data += values.tobytes()
        return len(self.views) - 1

    def add(self, values: np.ndarray, **more: Any) -> int:
        """Add an array (n, width), and return the number of its accessor."""
        values = values[:, None] if values.ndim == 1 else values
        entry = {"bufferView": self.view(values), "componentType": TYPES[values.dtype.str], "count": len(values)}
        self.accessors.append({**entry, "type": WIDTHS[values.shape[1]], **more})
        return len(self.accessors) - 1


def write_glb(path: Path, binary: Binary, **document: Any) -> Path:
    """Write a GLB."""
    whole = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": len(binary.data)}],
        "bufferViews": binary.views,
        "accessors": binary.accessors,
        **document,
    }
    text = json.dumps(whole).encode()
    text += b" " * (-len(text) % 4)
    data = binary.data + bytes(-len(binary.data) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)
    return path


def one_mesh(primitive: dict[str, Any], *nodes: dict[str, Any]) -> dict[str, Any]:
    """Return the document of one mesh that stands in each of the nodes."""
    places = [{"mesh": 0, **node} for node in (nodes or ({},))]
    return {
        "scenes": [{"nodes": list(range(len(places)))}],
        "nodes": places,
        "meshes": [{"primitives": [primitive]}],
    }
