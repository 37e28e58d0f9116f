"""VRML 2 (`.wrl`): indexed faces and simple solids, each in its place and as often as it is used.

What may hold geometry and is not read (extrusions, height fields, text, prototypes, files inlined) is refused by its
name; lights, sounds, sensors and lines are passed over. Of colours only those of vertices are kept, not materials.
Ours, because neither trimesh, meshio nor any kept package on the registry reads VRML without a graphics tool kit.
Source: ISO/IEC 14772-1:1997 (VRML97), clause 6.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from pointssl.data.files.cloud import Array, as_color
from pointssl.data.files.kinds import contents
from pointssl.data.files.surfaces import solids
from pointssl.data.files.surfaces.polygons import triangulate
from pointssl.data.files.surfaces.surface import Surface, as_indices, joined, moved, no_faces
from pointssl.data.files.surfaces.vrml_syntax import Node, parse

_GROUPS = ("Group", "Transform", "Anchor", "Billboard", "Collision", "LOD", "Switch")
_REFUSED = ("Extrusion", "ElevationGrid", "Text", "Inline")
_MOST_NODES = 200_000
"""Nodes that are used again may stand for any number of them."""


def read_vrml(path: Path) -> Surface:
    """Return all triangles of a VRML 2 file as one surface.

    Raises:
        ValueError: cut short, damaged, of version 1, or holding geometry that is not supported.
    """
    made: dict[Node, Surface] = {}

    def parts() -> Iterator[Surface]:
        for node, matrix in _placed(parse(contents(path))):
            if node not in made:
                made[node] = _geometry(node)
            yield moved(made[node], matrix)

    return joined(parts())


def _placed(nodes: list[Node]) -> Iterator[tuple[Node, Float64[np.ndarray, "4 4"]]]:
    """Yield every geometry of the scene with its place."""
    waiting = [(node, np.eye(4)) for node in reversed(nodes)]
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        node, above = waiting.pop()
        if node.kind in _REFUSED:
            raise ValueError(f"it holds {node.kind}, which is not supported")
        if node.kind == "Shape":
            yield from ((geometry, above) for geometry in node.nodes("geometry"))
        elif node.kind in _GROUPS:
            matrix = above @ _matrix(node) if node.kind == "Transform" else above
            waiting += [(child, matrix) for child in reversed(_children(node))]
    raise ValueError(f"it has more than {_MOST_NODES} nodes")


def _children(node: Node) -> list[Node]:
    if node.kind == "LOD":
        return node.nodes("level")[:1]  # the finest
    if node.kind == "Switch":
        chosen = int(node.numbers("whichChoice", (-1,))[0])
        return node.nodes("choice")[chosen : chosen + 1] if chosen >= 0 else []
    return node.nodes("children")


def _matrix(node: Node) -> Float64[np.ndarray, "4 4"]:
    """Return what a Transform does: scale along turned axes and turn, both about its centre, then move."""
    from scipy.spatial.transform import Rotation

    def turn(name: str) -> Array:
        x, y, z, angle = node.numbers(name, (0, 0, 1, 0))
        length = float(np.linalg.norm((x, y, z))) or 1.0
        return np.asarray(Rotation.from_rotvec(np.array((x, y, z)) * (angle / length)).as_matrix())

    centre, along = node.numbers("center", (0, 0, 0)), turn("scaleOrientation")
    matrix = np.eye(4)
    matrix[:3, :3] = turn("rotation") @ (along * node.numbers("scale", (1, 1, 1))) @ along.T
    matrix[:3, 3] = node.numbers("translation", (0, 0, 0)) + centre - matrix[:3, :3] @ centre
    return matrix


def _geometry(node: Node) -> Surface:
    if node.kind == "IndexedFaceSet":
        return _face_set(node)
    if node.kind == "Box":
        return solids.box(node.numbers("size", (2, 2, 2)))
    if node.kind == "Sphere":
        return solids.sphere(float(node.numbers("radius", (1,))[0]))
    if node.kind in ("Cylinder", "Cone"):
        cone = node.kind == "Cone"
        radius = node.numbers("bottomRadius" if cone else "radius", (1,))[0]
        return solids.cylinder(
            float(radius),
            0.0 if cone else float(radius),
            float(node.numbers("height", (2,))[0]),
            side=node.fields.get("side", True),
            bottom=node.fields.get("bottom", True),
            top=not cone and node.fields.get("top", True),
        )
    if node.kind == "PointSet":
        return Surface(vertices=_points(node), faces=no_faces())
    if node.kind == "IndexedLineSet":
        return Surface(vertices=np.zeros((0, 3)), faces=no_faces())
    raise ValueError(f"it holds {node.kind}, which is not supported")


def _face_set(node: Node) -> Surface:
    points = _points(node)
    index = as_indices(node.numbers("coordIndex"))
    if len(index) and index[-1] >= 0:
        index = np.append(index, -1)
    ends = np.flatnonzero(index < 0)
    faces, _ = triangulate(points, np.diff(ends, prepend=-1) - 1, np.delete(index, ends))
    if node.fields.get("ccw") is False:
        faces = faces[:, ::-1]
    channels = {}
    for color in node.nodes("color"):
        values = color.numbers("color")
        if values.size == points.size and "colorIndex" not in node.fields:
            channels["color"] = as_color(values.reshape(-1, 3))
    return Surface(vertices=points, faces=faces, channels=channels)


def _points(node: Node) -> Array:
    found = [coordinate.numbers("point") for coordinate in node.nodes("coord")]
    values = found[0] if found else np.zeros(0)
    if values.size % 3:
        raise ValueError(f"its points have {values.size} coordinates, which 3 does not divide")
    return values.reshape(-1, 3)
