"""glTF 2.0 and GLB: the meshes of the default scene, each in its place and as often as it stands there.

Whole: quantised, normalised and sparse accessors, strips and fans, mirrored nodes, instances. What a file requires
beyond that (Draco, meshopt) is refused by its name. Skins and morph targets stay in the pose that the vertices have.
Ours, because trimesh 5.2 takes normalised integers for coordinates, knows neither sparse accessors nor fans nor
instances and does not look at what a file requires, and pygltflib 1.16 reads the JSON and leaves the arrays to others.
Source: Khronos Group, "glTF 2.0 Specification", "KHR_mesh_quantization", "EXT_mesh_gpu_instancing".
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces import polygons
from pointssl.data.files.surfaces.accessors import Json, read_accessor, read_buffers
from pointssl.data.files.surfaces.surface import Surface, joined, moved, no_faces

_KNOWN = ("KHR_mesh_quantization", "EXT_mesh_gpu_instancing", "KHR_node_visibility")
_LOOKS = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_", "EXT_lights_", "KHR_xmp", "MSFT_texture_")
"""Extensions of these names change how a surface looks, not where it is."""

_POINTS, _TRIANGLES, _STRIP, _FAN = 0, 4, 5, 6
_INSTANCING = "EXT_mesh_gpu_instancing"


def read_gltf(path: Path) -> Surface:
    """Return all triangles of a glTF or GLB as one surface, or its points where it has no triangles.

    Raises:
        ValueError: cut short, damaged, or requiring an extension that is not known.
    """
    return parse_gltf(contents(path), path.parent)


def parse_gltf(data: bytes, folder: Path) -> Surface:
    """Return what `read_gltf` does, from the bytes of a file whose buffers lie in `folder`."""
    document, own = _unpacked(data)
    try:
        return _scene(document, own, folder)
    except (KeyError, IndexError, TypeError, AttributeError) as error:  # of JSON that says something else
        raise ValueError(f"its JSON does not fit together ({type(error).__name__}: {error})") from error


def _scene(document: Json, own: bytes | None, folder: Path) -> Surface:
    version = str(document.get("asset", {}).get("version", ""))
    if not version.startswith("2"):
        raise ValueError(f"it is glTF of version '{version}'; 2.0 is read")
    unknown = [
        name for name in document.get("extensionsRequired", ()) if name not in _KNOWN and not name.startswith(_LOOKS)
    ]
    if unknown:
        raise ValueError(f"it requires {', '.join(unknown)}, which is not supported; export it without compression")
    buffers = read_buffers(document, own, folder)
    meshes: dict[int, list[Surface]] = {}

    def parts() -> Iterator[Surface]:
        for number, matrix in _placed(document, buffers):
            if number not in meshes:
                entries = document["meshes"][number]["primitives"]
                meshes[number] = [_primitive(document, buffers, one) for one in entries]
            yield from (moved(surface, matrix) for surface in meshes[number])

    return joined(parts())


def _unpacked(data: bytes) -> tuple[Json, bytes | None]:
    """Return the document, and the buffer that a GLB carries with it."""
    own: bytes | None = None
    text = data
    if data[:4] == b"glTF":
        length = int.from_bytes(data[8:12], "little")
        if len(data) < max(length, 20):
            raise ValueError(f"it is cut short: {len(data)} of {length} bytes")
        at, chunks = 12, []
        while at + 8 <= length:
            size, kind = struct.unpack_from("<I4s", data, at)
            chunks.append((kind, data[at + 8 : at + 8 + size]))
            at += 8 + size
        if not chunks or chunks[0][0] != b"JSON":
            raise ValueError("it does not begin with its JSON")
        text = chunks[0][1]
        own = next((chunk for kind, chunk in chunks if kind == b"BIN\0"), None)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its JSON is damaged ({error})") from error
    if not isinstance(document, dict):
        raise ValueError("its JSON is not an object")  # noqa: TRY004  a damaged file, not a wrong argument
    return document, own


def _placed(document: Json, buffers: list[bytes]) -> Iterator[tuple[int, Float64[np.ndarray, "4 4"]]]:
    """Yield every mesh of the scene with its place, once for each time it stands there."""
    nodes = document.get("nodes", [])
    scenes = document.get("scenes", [])
    if scenes:
        roots = scenes[document.get("scene", 0)].get("nodes", [])
    else:
        roots = sorted(set(range(len(nodes))) - {child for node in nodes for child in node.get("children", [])})
    if not nodes:
        yield from ((number, np.eye(4)) for number in range(len(document.get("meshes", []))))
    waiting = [(root, np.eye(4)) for root in reversed(roots)]
    seen: set[int] = set()
    while waiting:
        number, above = waiting.pop()
        if number in seen:
            raise ValueError(f"its node {number} stands in two places; nodes must be a tree")
        seen.add(number)
        node = nodes[number]
        matrix = above @ _matrix(node)
        if "mesh" in node:
            for instance in _instances(document, buffers, node):
                yield node["mesh"], matrix @ instance
        waiting += [(child, matrix) for child in reversed(node.get("children", []))]


def _matrix(node: Json) -> Float64[np.ndarray, "4 4"]:
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    return _composed(*(np.array(node.get(key, other), dtype=np.float64) for key, other in _REST.items()))


_REST: dict[str, tuple[float, ...]] = {"translation": (0, 0, 0), "rotation": (0, 0, 0, 1), "scale": (1, 1, 1)}


def _composed(
    translation: Float64[np.ndarray, " 3"], rotation: Float64[np.ndarray, " 4"], scale: Float64[np.ndarray, " 3"]
) -> Float64[np.ndarray, "4 4"]:
    """Return the matrix that scales, then turns by a quaternion (x, y, z, w), then moves."""
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(rotation).as_matrix() * scale
    matrix[:3, 3] = translation
    return matrix


def _instances(document: Json, buffers: list[bytes], node: Json) -> list[Float64[np.ndarray, "4 4"]]:
    """Return the places of a node's copies, relative to it; one in its own place where it has none."""
    attributes: dict[str, int] = node.get("extensions", {}).get(_INSTANCING, {}).get("attributes", {})
    if not attributes:
        return [np.eye(4)]
    values = {key: read_accessor(document, buffers, number).astype(np.float64) for key, number in attributes.items()}
    count = min(map(len, values.values()))
    rows = [values.get(key.upper(), np.tile(np.array(other, np.float64), (count, 1))) for key, other in _REST.items()]
    return [_composed(*row) for row in zip(*rows, strict=False)]


def _primitive(document: Json, buffers: list[bytes], entry: Json) -> Surface:
    """Return one part of a mesh; lines have no surface."""
    mode, attributes = entry.get("mode", _TRIANGLES), entry["attributes"]
    if "POSITION" not in attributes or mode not in (_POINTS, _TRIANGLES, _STRIP, _FAN):
        return Surface(vertices=np.zeros((0, 3), np.float32), faces=no_faces())
    compressed = [name for name in entry.get("extensions", {}) if "draco" in name]
    if compressed and "bufferView" not in document["accessors"][attributes["POSITION"]]:
        raise ValueError(f"its coordinates are compressed ({compressed[0]}), which is not supported")
    position = read_accessor(document, buffers, attributes["POSITION"])
    channels: dict[str, Any] = {}
    if "COLOR_0" in attributes:
        color = read_accessor(document, buffers, attributes["COLOR_0"])[:, :3]
        channels["color"] = np.clip(color, 0, 1).astype(np.float32)
    if mode == _POINTS:
        return Surface(vertices=position, faces=no_faces(), channels=channels)
    if "indices" in entry:
        corners = read_accessor(document, buffers, entry["indices"]).reshape(-1).astype(np.int64)
    else:
        corners = np.arange(len(position))
    return Surface(vertices=position, faces=_triangles(corners, mode), channels=channels)


def _triangles(corners: Int64[np.ndarray, " c"], mode: int) -> Int64[np.ndarray, "f 3"]:
    if mode == _STRIP:
        return polygons.strip(corners)
    if mode == _FAN:
        return polygons.fan(corners)
    return corners[: len(corners) // 3 * 3].reshape(-1, 3)
