"""Simple solids as triangles, round ones with 64 sides: their area is right to two parts in a thousand."""

import numpy as np
from jaxtyping import Float64

from pointssl.data.files.surfaces.polygons import triangulate
from pointssl.data.files.surfaces.surface import Surface

_SIDES = 64


def box(size: Float64[np.ndarray, " 3"]) -> Surface:
    """Return a box of a given size about the origin."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * size / 2
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces, _ = triangulate(corners, np.full(6, 4), np.array(quads).reshape(-1))
    return Surface(vertices=corners, faces=faces)


def cylinder(bottom_radius: float, top_radius: float, height: float, *, side: bool, bottom: bool, top: bool) -> Surface:
    """Return a cylinder or cone about the y axis, its middle at the origin, of the surfaces that are asked for."""
    angle = 2 * np.pi * np.arange(_SIDES) / _SIDES
    circle = np.stack([np.sin(angle), np.zeros(_SIDES), np.cos(angle)], axis=1)
    up = np.array([0, height / 2, 0])
    vertices = np.concatenate([circle * bottom_radius - up, circle * top_radius + up])
    here = np.arange(_SIDES)
    there = (here + 1) % _SIDES
    polygons = np.stack([here, there, there + _SIDES, here + _SIDES], axis=1).tolist() if side else []
    polygons += [here[::-1].tolist()] if bottom else []
    polygons += [(here + _SIDES).tolist()] if top else []
    return _solid(vertices, polygons)


def sphere(radius: float) -> Surface:
    """Return a sphere about the origin."""
    rings = _SIDES // 2
    down, around = np.meshgrid(
        np.pi * np.arange(rings + 1) / rings, 2 * np.pi * np.arange(_SIDES) / _SIDES, indexing="ij"
    )
    vertices = radius * np.stack([np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], axis=2)
    ring, here = (grid.reshape(-1) for grid in np.meshgrid(np.arange(rings), np.arange(_SIDES), indexing="ij"))
    there = (here + 1) % _SIDES
    below = (ring + 1) * _SIDES
    quads = np.stack([ring * _SIDES + here, below + here, below + there, ring * _SIDES + there], axis=1)
    return _solid(vertices.reshape(-1, 3), quads.tolist())


def _solid(vertices: Float64[np.ndarray, "v 3"], polygons: list[list[int]]) -> Surface:
    counts = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
    corners = np.array([corner for polygon in polygons for corner in polygon], dtype=np.int64)
    faces, _ = triangulate(vertices, counts, corners)
    return Surface(vertices=vertices, faces=faces)
