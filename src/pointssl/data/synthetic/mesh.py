"""Small triangle meshes made by sweeping rings: boxes, rods, lathed and bent things, and points drawn from them.

Everything is a loft, a ring of points carried along a path, so that one face table serves all and a shape of twenty
pieces takes a fraction of a millisecond. Lengths are in metres of an imagined world; z is up.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int64
from numpy.random import Generator

Number = float | int
"""Families write whole numbers too, which checks at run time do not take for floats."""

Vector = Sequence[Number] | Float[np.ndarray, "3"]


class Mesh(NamedTuple):
    """Triangles with outward corners in counter-clockwise order."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int64[np.ndarray, "f 3"]


@lru_cache(maxsize=256)
def _loft_faces(rings: int, sides: int) -> Int64[np.ndarray, "f 3"]:
    """Faces between `rings` rings of `sides` corners, and two fans around the cap centres that follow them."""
    corner = np.arange(sides)
    after = (corner + 1) % sides
    row = np.arange(rings - 1)[:, None] * sides
    a, b, c, d = row + corner, row + after, row + sides + after, row + sides + corner
    walls = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2).reshape(-1, 3)
    bottom = np.stack([np.full(sides, rings * sides), after, corner], -1)
    last = (rings - 1) * sides
    top = np.stack([np.full(sides, rings * sides + 1), last + corner, last + after], -1)
    return np.concatenate([walls, bottom, top])


def loft(rings: Float[np.ndarray, "r s 3"]) -> Mesh:
    """Join rings into a closed body; each ring must see its own centre (star-shaped), the ends are capped."""
    count, sides = rings.shape[:2]
    vertices = np.empty((count * sides + 2, 3))
    vertices[:-2] = rings.reshape(-1, 3)
    np.add.reduce(rings[:: count - 1], axis=1, out=vertices[-2:])
    vertices[-2:] /= sides
    return Mesh(vertices, _loft_faces(count, sides))


@lru_cache(maxsize=16)
def _circle(sides: int) -> Float[np.ndarray, "s 2"]:
    angle = np.arange(sides) * (2 * np.pi / sides)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


_CUBE = np.array([[[x, y, z] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))] for z in (-1, 1)]) / 2.0


def box(size: Vector, centre: Vector = (0, 0, 0), *, taper: Number = 1.0) -> Mesh:
    """Return a box; its top is `taper` times as long and wide as its bottom."""
    rings = _CUBE * np.asarray(size, dtype=float)
    if taper != 1.0:
        rings[1, :, :2] *= taper
    return loft(rings + np.asarray(centre, dtype=float))


def lathe(profile: Sequence[tuple[Number, Number]], centre: Vector = (0, 0, 0), *, sides: int = 20) -> Mesh:
    """Turn a profile of (radius, height) pairs, lowest first, around the vertical through `centre`."""
    outline = np.asarray(profile, dtype=float)
    rings = np.empty((len(outline), sides, 3))
    rings[..., :2] = outline[:, None, :1] * _circle(sides)
    rings[..., 2] = outline[:, None, 1]
    return loft(rings + np.asarray(centre, dtype=float))


def cylinder(radius: Number, height: Number, base: Vector = (0, 0, 0), *, top: Number | None = None) -> Mesh:
    """Return an upright cylinder standing on `base`, or a cone where the `top` radius differs."""
    return lathe([(radius, 0.0), (radius if top is None else top, height)], base)


@lru_cache(maxsize=4)
def _ball(rings: int, sides: int) -> Mesh:
    angle = np.linspace(0.02, np.pi - 0.02, rings)
    return lathe([(float(np.sin(a)), float(-np.cos(a))) for a in angle], sides=sides)


def ellipsoid(radii: Vector, centre: Vector = (0, 0, 0)) -> Mesh:
    """Return an ellipsoid with its axes along x, y and z."""
    ball = _ball(9, 14)
    return Mesh(ball.vertices * np.asarray(radii, dtype=float) + np.asarray(centre, dtype=float), ball.faces)


def _cross(a: Float[np.ndarray, "#r 3"], b: Float[np.ndarray, "#r 3"]) -> Float[np.ndarray, "r 3"]:
    """Row by row vector product; `numpy.cross` takes three times as long on arrays of this size."""
    result = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        result[:, i] = a[:, j] * b[:, k] - a[:, k] * b[:, j]
    return result


def tube(
    path: Sequence[Vector] | Float[np.ndarray, "r 3"], radius: Number | Sequence[Number], *, sides: int = 8
) -> Mesh:
    """Sweep a circle along a path; `radius` may differ from point to point."""
    points = np.asarray(path, dtype=float)
    along = np.empty_like(points)  # central differences, one-sided at the ends
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    along /= np.sqrt((along * along).sum(1, keepdims=True)) + 1e-12
    # The world axis that the path follows least gives a frame that does not twist on plane paths.
    reference = np.zeros((1, 3))
    reference[0, np.abs(along).sum(0).argmin()] = 1.0
    left = _cross(reference, along)
    left /= np.sqrt((left * left).sum(1, keepdims=True)) + 1e-12
    circle = _circle(sides)
    ring = circle[None, :, :1] * left[:, None] + circle[None, :, 1:] * _cross(along, left)[:, None]
    width = np.broadcast_to(np.asarray(radius, dtype=float), (len(points),))
    return loft(points[:, None] + width[:, None, None] * ring)


def rod(start: Vector, end: Vector, radius: Number, *, sides: int = 8) -> Mesh:
    """Return a straight round bar."""
    return tube([start, end], radius, sides=sides)


def hoop(radius: Number, thickness: Number, centre: Vector, *, axis: int = 1, sides: int = 22) -> Mesh:
    """Return a ring (a tyre, a rim) around the given axis."""
    angle = np.linspace(0, 2 * np.pi, sides)
    path = np.zeros((sides, 3))
    path[:, (axis + 1) % 3], path[:, (axis + 2) % 3] = radius * np.cos(angle), radius * np.sin(angle)
    return tube(path + np.asarray(centre, dtype=float), thickness, sides=6)


def plate(outline: Float[np.ndarray, "s 2"], thickness: Number, *, axis: int = 2, centre: Vector = (0, 0, 0)) -> Mesh:
    """Give a flat star-shaped outline, counter-clockwise, a thickness along `axis`."""
    rings = np.empty((2, len(outline), 3))
    rings[..., (axis + 1) % 3], rings[..., (axis + 2) % 3] = outline[:, 0], outline[:, 1]
    rings[0, :, axis], rings[1, :, axis] = -thickness / 2, thickness / 2
    return loft(rings + np.asarray(centre, dtype=float))


def disc(radius: Number, thickness: Number, centre: Vector, *, axis: int = 1) -> Mesh:
    """Return a flat round body such as a wheel, around the given axis."""
    return plate(radius * _circle(18), thickness, axis=axis, centre=centre)


def rotation(angle: Number, axis: int) -> Float[np.ndarray, "3 3"]:
    """Return the matrix that turns columns by `angle` radians around an axis, the next axis towards the one after."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def turned(mesh: Mesh, angle: Number, *, axis: int = 2, about: Vector = (0, 0, 0)) -> Mesh:
    """Return the mesh turned by `angle` radians around an axis through `about`."""
    pivot = np.asarray(about, dtype=float)
    return Mesh((mesh.vertices - pivot) @ rotation(angle, axis).T + pivot, mesh.faces)


def moved(mesh: Mesh, offset: Vector) -> Mesh:
    """Return the mesh moved by `offset`."""
    return Mesh(mesh.vertices + np.asarray(offset), mesh.faces)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Put several meshes into one."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


def sample_surface(
    mesh: Mesh, count: int, generator: Generator
) -> tuple[Float32[np.ndarray, "n 3"], Float32[np.ndarray, "n 3"], Int64[np.ndarray, " n"]]:
    """Draw points uniformly by area: the points, their unit face normals and the face each lies on, in random order."""
    corner, second, third = mesh.vertices[mesh.faces.T]
    first, second = second - corner, third - corner
    normal = _cross(first, second)
    double_area = np.sqrt((normal * normal).sum(1))
    limits = np.cumsum(double_area)
    face = np.searchsorted(limits, generator.random(count) * limits[-1], side="right")
    u, v = generator.random((2, count, 1))
    outside = u + v > 1  # the other half of the parallelogram, folded back
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    points = corner[face] + u * first[face] + v * second[face]
    normal /= double_area[:, None] + 1e-300
    return points.astype(np.float32), normal[face].astype(np.float32), face
