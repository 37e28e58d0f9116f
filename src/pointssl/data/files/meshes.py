"""Meshes (obj, off, stl, glb, gltf): points are drawn over the surface, normals come from the faces.

Files of these kinds that hold vertices and no face are read as clouds. Parsing is trimesh's; what is added here is
telling a file that was cut short from a small one, because OFF and STL say how long they should be. OBJ does not.
"""

import io
import logging
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.files.cloud import Array, as_color, make_cloud
from pointssl.ops import random_points

_OFF_HEADER = re.compile(r"\s*(?:ST|N|C|4|n)*OFF\s*(?:BINARY)?\s*(\d+)\s+(\d+)")
"""The counts may stand on the keyword's own line without a blank: many ModelNet files begin `OFF490 518 0`."""


def read_mesh(path: Path, points: int, seed: int) -> Cloud:
    """Return `points` points of the surface in `path`, or its vertices where it has no faces."""
    import trimesh

    parts = _load(path)
    whole = _surface_of(parts)
    if whole is not None:
        return sample_mesh(whole.vertices, whole.faces, _vertex_colors(whole), points=points, seed=seed, path=path)
    vertices = [np.asarray(part.vertices) for part in parts if isinstance(part, trimesh.PointCloud | trimesh.Trimesh)]
    vertices = [block for block in vertices if len(block)]
    if not vertices:
        raise ValueError("it holds no points")
    colors = _vertex_colors(parts[0]) if len(parts) == 1 else None
    return make_cloud(
        np.concatenate(vertices),
        {} if colors is None else {"color": as_color(colors)},
        name=path.stem,
        origin=str(path),
    )


def read_triangles(path: Path) -> tuple[Array, Array] | None:
    """Return vertices (v, 3) and faces (f, 3) as the file has them, or None where it has no faces."""
    whole = _surface_of(_load(path))
    return None if whole is None else (np.array(whole.vertices), np.array(whole.faces))


def _load(path: Path) -> list[Any]:
    """Return the meshes and clouds in a file."""
    import trimesh

    # Whatever fails is raised besides; logged, it would put tracebacks of damaged files on the screen.
    logging.getLogger("trimesh").setLevel(logging.CRITICAL)
    kind = path.suffix.lower().lstrip(".")
    if kind == "off":
        _require_whole_off(path)
    if kind == "stl":
        _require_whole_stl(path)
    # Not processed: merging vertices would be work without use, and would drop what is degenerate unseen.
    loaded: Any
    if kind in ("glb", "gltf"):  # by path, because gltf refers to files beside it
        loaded = trimesh.load(str(path), process=False)
    else:
        data = path.read_bytes()
        options: dict[str, Any] = {"skip_materials": True} if kind == "obj" else {}
        if kind != "stl" or _is_text_stl(data):
            data = as_utf8(data)
        loaded = trimesh.load(io.BytesIO(data), file_type=kind, process=False, **options)
    return loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]


def _surface_of(parts: list[Any]) -> Any | None:
    """Return everything that has faces as one mesh."""
    import trimesh

    meshes = [part for part in parts if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    if not meshes:
        return None
    return meshes[0] if len(meshes) == 1 else trimesh.util.concatenate(meshes)


def as_utf8(data: bytes) -> bytes:
    """Return text with everything else than UTF-8 replaced: old exporters put names and comments in other encodings."""
    return data.decode("utf-8", errors="replace").encode()


def sample_mesh(vertices: Array, faces: Array, colors: Array | None, *, points: int, seed: int, path: Path) -> Cloud:
    """Draw a cloud with normals (and colours, blended between the corners) from a triangle mesh.

    The draw depends on the seed and on the mesh, not on its name or place, so that equal meshes give equal clouds.
    """
    vertices, faces = np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"a face names vertex {faces.max()}, but there are only {len(vertices)}")
    generator = np.random.default_rng([seed, zlib.crc32(vertices.tobytes()), zlib.crc32(faces.tobytes())])
    with np.errstate(invalid="ignore", over="ignore"):
        sample = random_points.surface(vertices, faces, points, generator)
        normals, _ = random_points.triangle_normals(vertices, faces)
    channels: dict[str, Array] = {"normal": normals[sample.face]}
    if colors is not None:
        corners = as_color(colors)[faces[sample.face]]  # (n, 3 corners, 3)
        channels["color"] = np.einsum("nc,ncd->nd", sample.weight, corners)
    return make_cloud(sample.points, channels, name=path.stem, origin=str(path))


def _vertex_colors(part: Any) -> Array | None:
    """Return red, green, blue of every vertex where the file gave them; asked otherwise, trimesh makes up grey."""
    import trimesh

    if isinstance(part, trimesh.PointCloud):
        colors = np.asarray(part.colors)
    else:
        colors = np.asarray(part.visual.vertex_colors) if part.visual.kind == "vertex" else np.zeros((0, 4))
    return colors[:, :3] if len(colors) == len(part.vertices) else None


def _require_whole_off(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    if "#" in text:
        text = "\n".join(line.split("#", 1)[0] for line in text.splitlines())
    header = _OFF_HEADER.match(text)
    if header is None:
        raise ValueError("it does not begin with OFF and two counts")
    vertices, faces = int(header[1]), int(header[2])
    # The rest of the header's line (the number of edges) is not a row of data.
    body = text[header.end() :].partition("\n")[2]
    rows = sum(1 for line in body.splitlines() if line and not line.isspace())
    if rows < vertices + faces:
        raise ValueError(f"it is cut short: {rows} rows where {vertices} vertices and {faces} faces are announced")


def _is_text_stl(data: bytes) -> bool:
    # Binary files may begin with "solid" too, in defiance of the format.
    return data[:5].lower() == b"solid" and b"facet" in data[:1000]


def _require_whole_stl(path: Path) -> None:
    data = path.read_bytes()
    if _is_text_stl(data):
        if b"endsolid" not in data[-300:]:
            raise ValueError("it is cut short: a text STL ends with 'endsolid'")
        return
    if len(data) < 84:
        raise ValueError(f"it is cut short: {len(data)} bytes, and the header alone has 84")
    triangles = int.from_bytes(data[80:84], "little")
    if len(data) < 84 + 50 * triangles:
        raise ValueError(f"it is cut short: {len(data)} bytes where {triangles} triangles need {84 + 50 * triangles}")
