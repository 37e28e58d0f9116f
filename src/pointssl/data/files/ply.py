"""PLY, text or binary, mesh or cloud; every property of the vertices that has a known meaning becomes a channel."""

import io
from pathlib import Path

import numpy as np

from pointssl.data.cloud import Cloud
from pointssl.data.files.cloud import Array, make_cloud
from pointssl.data.files.columns import channels_by_name
from pointssl.data.files.meshes import as_utf8, sample_mesh


def read_ply(path: Path, points: int, seed: int) -> Cloud:
    """Return the vertices of a PLY without faces, or `points` points of the surface of one with faces."""
    xyz, channels, faces = load_ply(path)
    if faces is not None:
        return sample_mesh(xyz, faces, channels.get("color"), points=points, seed=seed, path=path)
    return make_cloud(xyz, channels, name=path.stem, origin=str(path))


def load_ply(path: Path) -> tuple[Array, dict[str, Array], Array | None]:
    """Return the vertices, their channels, and the faces (f, 3), or None where there are none."""
    from trimesh.exchange import ply

    data = path.read_bytes()
    if b"format ascii" in data[:1000]:
        data = as_utf8(data)
    try:
        loaded = ply.load_ply(io.BytesIO(data))
    except KeyError as error:
        raise ValueError(f"it has no property {error}") from error
    element = loaded["metadata"]["_ply_raw"].get("vertex")
    if element is None or not element["length"]:
        raise ValueError("it holds no points")
    columns = {key: np.asarray(element["data"][key]).reshape(-1) for key in element["properties"]}
    read = min(len(values) for values in columns.values())
    if read < element["length"]:
        raise ValueError(f"it is cut short: {read} of {element['length']} vertices")
    xyz, channels = channels_by_name(columns)
    faces = loaded.get("faces")
    announced = loaded["metadata"]["_ply_raw"].get("face", {"length": 0})["length"]
    if announced and (faces is None or len(faces) < announced):  # polygons have become several triangles
        raise ValueError(f"it is cut short: {0 if faces is None else len(faces)} of {announced} faces")
    return xyz, channels, np.asarray(faces) if announced else None
