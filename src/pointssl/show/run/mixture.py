"""The shapes that a Gaussian mixture draws in space: its 1-sigma ellipsoids and the surface where its density is c.

Everything here is arrays in, arrays out; nothing draws. The pictures are those of figure 3 in B. Eckart, W. Yuan,
C. Liu, J. Kautz, "Self-Supervised Learning on 3D Point Clouds by Learning Discrete Generative Models", CVPR 2021.
The paper does not say how its constant c was chosen; ours is the density that a given share of the points exceeds.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from pointssl.show.scene import Mesh

LogDensity = Callable[[np.ndarray], np.ndarray]
"""Maps points (n, 3) to their log density (n,), in nats."""


def ellipsoid_axes(cov: Float[np.ndarray, "j 3 3"], sigmas: float = 1.0) -> Float[np.ndarray, "j 3 3"]:
    """Return the half axes of every component's `sigmas` contour as columns, longest last, right-handed.

    A point u of the unit sphere goes to the contour by mean + axes @ u.
    """
    variance, direction = np.linalg.eigh(cov)
    direction = (
        direction * np.sign(np.linalg.det(direction))[:, None, None]
    )  # a mirrored frame would turn faces inside out
    axes: Float[np.ndarray, "j 3 3"] = sigmas * direction * np.sqrt(np.maximum(variance, 0.0))[:, None, :]
    return axes


def unit_sphere(rings: int = 12) -> Mesh:
    """Return a sphere of radius 1 in `rings` bands from pole to pole, twice as many around."""
    if rings < 2:
        raise ValueError(f"rings must be at least 2, got {rings}")
    around = 2 * rings
    polar = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)[None]
    z = np.broadcast_to(np.cos(polar), (rings - 1, around))
    belt = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), z], axis=-1).reshape(-1, 3)
    vertices = np.concatenate([belt, [[0.0, 0, 1], [0.0, 0, -1]]])
    here = np.arange(around)
    following = np.roll(here, -1)
    north, south, last = len(belt), len(belt) + 1, (rings - 2) * around
    faces = [
        np.stack([np.full(around, north), here, following], axis=-1),
        np.stack([np.full(around, south), last + following, last + here], axis=-1),
    ]
    for upper in range(0, last, around):
        lower = upper + around
        faces.append(np.stack([upper + here, lower + here, lower + following], axis=-1))
        faces.append(np.stack([upper + here, lower + following, upper + following], axis=-1))
    return Mesh(vertices=vertices, faces=np.concatenate(faces))


def ellipsoids(
    mean: Float[np.ndarray, "j 3"], cov: Float[np.ndarray, "j 3 3"], *, sigmas: float = 1.0, rings: int = 12
) -> list[Mesh]:
    """Return one mesh per component: the points at Mahalanobis distance `sigmas` from its mean."""
    sphere = unit_sphere(rings)
    vertices = mean[:, None] + np.einsum("jde,ve->jvd", ellipsoid_axes(cov, sigmas), sphere.vertices)
    return [Mesh(vertices=one, faces=sphere.faces) for one in vertices]


def level_around(log_density: Float[np.ndarray, " n"], inside: float = 0.9) -> float:
    """Return the log density, in nats, that a share `inside` of the points reaches or exceeds."""
    if not 0 < inside < 1:
        raise ValueError(f"inside must lie between 0 and 1, got {inside}")
    return float(np.quantile(log_density, 1 - inside))


def iso_surface(
    log_density: LogDensity, level: float, points: Float[np.ndarray, "n 3"], *, resolution: int = 96
) -> Mesh:
    """Return the surface log g = `level` by marching cubes on a grid of `resolution` cells along its longest side.

    The grid starts as the bounding box of `points` and grows until the density on its border lies below the level, so
    that the surface is closed. The log density is what is interpolated: it is a parabola near a component, where the
    density itself falls by orders of magnitude within a cell.

    Raises:
        ValueError: when no grid point reaches the level.
    """
    from skimage.measure import marching_cubes

    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    for _ in range(12):
        margin = 0.06 * float((high - low).max()) + 1e-6
        low, high = low - margin, high + margin
        cell = float((high - low).max()) / resolution
        # A coarse look at the border is enough to decide; the fine grid is evaluated once.
        if _border_maximum(log_density, low, high) < level:
            break
    axes = [np.arange(start, stop + cell, cell) for start, stop in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = _in_blocks(log_density, grid.reshape(-1, 3)).reshape(grid.shape[:3])
    if values.max() <= level:
        raise ValueError(
            f"level must lie below the largest log density on the grid, {values.max():.2f}, got {level:.2f}"
        )
    # Far from the shape the log density falls without bound; clipping keeps float32 interpolation exact near the level.
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        np.maximum(values, level - 50.0).astype(np.float64), level, spacing=(cell,) * 3
    )
    return Mesh(vertices=vertices + low, faces=faces[:, ::-1].astype(np.int64))


def _border_maximum(log_density: LogDensity, low: np.ndarray, high: np.ndarray, steps: int = 24) -> float:
    """Largest log density on the six faces of a box, looked up on a coarse grid."""
    u, v = (side.reshape(-1) for side in np.meshgrid(*[np.linspace(0, 1, steps)] * 2))
    faces = []
    for axis in range(3):
        for end in (0.0, 1.0):
            faces.append(np.insert(np.stack([u, v], axis=-1), axis, end, axis=1))
    return float(log_density(low + np.concatenate(faces) * (high - low)).max())


def _in_blocks(log_density: LogDensity, points: np.ndarray, size: int = 65536) -> np.ndarray:
    """Evaluate in blocks of bounded memory."""
    return np.concatenate([log_density(points[start : start + size]) for start in range(0, len(points), size)])
