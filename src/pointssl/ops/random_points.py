"""Random points: spread evenly over the surface of a mesh, or picked out of a cloud.

Works on NumPy arrays, because it prepares files and its processes need not load torch for it.
Source: R. Osada et al., "Shape Distributions", ACM Transactions on Graphics 2002 (points on triangles).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64


class SurfaceSample(NamedTuple):
    """Points on a mesh, with what is needed to carry vertex attributes over to them."""

    points: Float64[np.ndarray, "n 3"]
    face: Int64[np.ndarray, " n"]
    """Index of the triangle that each point lies on."""
    weight: Float64[np.ndarray, "n 3"]
    """Barycentric coordinates inside that triangle; non-negative, they add up to one."""


def triangle_normals(
    vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[Float64[np.ndarray, "f 3"], Float64[np.ndarray, " f"]]:
    """Return unit normals (zero for triangles without area) and areas, in squared units of the vertices."""
    corners = np.asarray(vertices, dtype=np.float64)[faces]  # (f, 3, 3)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    twice_area = np.linalg.norm(cross, axis=1)
    normals = cross / np.where(twice_area > 0, twice_area, 1.0)[:, None]
    return normals, twice_area / 2


def surface(
    vertices: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    count: int,
    generator: np.random.Generator,
) -> SurfaceSample:
    """Draw `count` points uniformly over the area of a triangle mesh.

    Raises:
        ValueError: the mesh has no area, or vertices that are not finite.
    """
    _, area = triangle_normals(vertices, faces)
    total = area.sum()
    if not np.isfinite(total):
        raise ValueError("the mesh has vertices that are not finite")
    if total <= 0:
        raise ValueError("the mesh has no area")
    # One draw per equal slice of the area (stratified): the share of every triangle is met to within two points.
    height = (np.arange(count) + generator.random(count)) * (total / count)
    face = np.minimum(np.searchsorted(np.cumsum(area), height, side="right"), len(area) - 1)
    generator.shuffle(face)
    # The square root makes the density even; without it points crowd at the first corner.
    root, along = np.sqrt(generator.random(count)), generator.random(count)
    weight = np.stack([1 - root, root * (1 - along), root * along], axis=1)
    corners = np.asarray(vertices, dtype=np.float64)[faces[face]]  # (n, 3, 3)
    return SurfaceSample(points=np.einsum("nc,ncd->nd", weight, corners), face=face.astype(np.int64), weight=weight)


def subset(size: int, count: int, generator: np.random.Generator) -> Int64[np.ndarray, " n"]:
    """Return `count` random places out of `size`: all different where there are enough, else each once and then again.

    Raises:
        ValueError: there is nothing to choose from.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    if size >= count:
        return generator.choice(size, count, replace=False, shuffle=True).astype(np.int64)
    again = generator.integers(0, size, count - size)
    return generator.permutation(np.concatenate([np.arange(size), again])).astype(np.int64)
