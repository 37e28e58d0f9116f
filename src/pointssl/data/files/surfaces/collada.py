"""COLLADA (`.dae`): triangles, polygons, strips and fans of the scene, each in its place, as often as it stands there.

The reader is pycollada (BSD). Its arrays are taken as they are, because trimesh 5.2, which reads through it too, passes
over whatever pycollada reports as broken. Skinned meshes stay in the pose that their vertices have.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces.polygons import triangulate
from pointssl.data.files.surfaces.surface import Surface, joined, moved, no_faces
from pointssl.errors import UserError


def read_collada(path: Path) -> Surface:
    """Return all triangles of a COLLADA file as one surface.

    Raises:
        UserError: the package that reads it is not there.
        ValueError: damaged, or holding geometry that is not supported (splines, convex hulls).
    """
    try:
        import collada
        from collada import common
    except ImportError as error:
        raise UserError(f"{path}: reading COLLADA needs one more package: pip install 'pointssl[dae]'") from error
    # Pictures that are missing do not matter; geometry that is missing does, and is counted below.
    document = collada.Collada(
        io.BytesIO(contents(path)), ignore=[common.DaeUnsupportedError, common.DaeBrokenRefError]
    )
    _require_all(document)
    return joined(_parts(document))


def _parts(document: Any) -> Iterator[Surface]:
    """Yield the primitives of the scene in their places; without a scene, all there are."""
    if document.scene is None:
        yield from (_surface(one) for geometry in document.geometries for one in geometry.primitives)
        return
    for bound in document.scene.objects("geometry"):
        yield from (moved(_surface(one), bound.matrix.astype(np.float64)) for one in bound.original.primitives)
    for controlled in document.scene.objects("controller"):
        if type(controlled).__name__ != "BoundSkin":
            raise ValueError("it holds a morph, which is not supported")
        bound = controlled.geometry
        yield from (moved(_surface(one), bound.matrix.astype(np.float64)) for one in bound.original.primitives)


def _require_all(document: Any) -> None:
    """Raise `ValueError` where something of the geometry was not understood, which the package only notes."""
    primitives = ("triangles", "tristrips", "trifans", "polylist", "polygons", "lines", "linestrips")
    root = document.xmlnode.getroot()
    for geometry in root.iter(document.tag("geometry")):
        known = document.geometries.get(geometry.get("id"))
        meshes = list(geometry.iter(document.tag("mesh")))
        wanted = sum(len(mesh.findall(document.tag(name))) for mesh in meshes for name in primitives[:5])
        read = sum("Line" not in type(one).__name__ for one in known.primitives) if known is not None else -1
        if not meshes or read < wanted:
            reason = next((str(error) for error in document.errors), "splines and convex hulls are not supported")
            raise ValueError(f"its geometry '{geometry.get('id')}' is not understood ({reason})")
    loaded = {geometry.id for geometry in document.geometries}
    for instance in root.iter(document.tag("instance_geometry")):
        if instance.get("url", "").removeprefix("#") not in loaded:
            raise ValueError(f"its scene names the geometry '{instance.get('url')}', which is not there")


def _surface(primitive: Any) -> Surface:
    """Return one primitive; lines have no surface."""
    kind = type(primitive).__name__
    if kind == "LineSet" or primitive.vertex is None:
        return Surface(vertices=np.zeros((0, 3)), faces=no_faces())
    corners = np.asarray(primitive.vertex_index, dtype=np.int64).reshape(-1)
    counts = np.full(len(corners) // 3, 3) if kind == "TriangleSet" else np.asarray(primitive.vcounts, dtype=np.int64)
    faces, _ = triangulate(primitive.vertex, counts, corners)
    return Surface(vertices=primitive.vertex, faces=faces)
