"""Unions of superquadrics: solids between boxes, balls, cylinders and octahedra, put together as the primitives are.

Source: A. Barr, "Superquadrics and Angle-Preserving Transformations", IEEE CG&A 1981. Differs: points are even by area,
which Barr's angles are not. A place on the cube around a part is thrown onto the part along the ray from its middle;
how much area a piece of the cube becomes is known in closed form, and places are kept in proportion to it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float32, Int64, UInt64

from pointssl.data.generated.dataset import Drawn, Request
from pointssl.data.generated.details import Cut, Field
from pointssl.data.generated.poses import PARTS, SLOTS, Poses, draw_poses
from pointssl.data.generated.surface import placed, surface
from pointssl.data.synthetic.mesh import Mesh, ellipsoid
from pointssl.ops import counter_random

ROUND = (0.2, 1.8)
"""Range of both exponents: 0.2 almost a box, 1 a ball, 1.8 almost an octahedron."""

_CELLS = 3
"""Cells along each edge of a quarter of a face of the cube; each is drawn from by its own largest stretch."""

_MARGIN = 1.1
"""What the largest stretch at the corners and middles of a cell is raised by, as the real one lies between them."""

_TINY = np.float32(1e-30)


@final
class Solids:
    """The parts of several shapes: |x|, |y| and |z| below 1, with exponents e of height and f of plan."""

    slots = SLOTS + 2 * PARTS
    oversampling = 2.4
    cut: Cut | None = None
    field: Field | None = None

    def __init__(self, poses: Poses, exponents: Float32[np.ndarray, "b k 2"]) -> None:
        self.poses, self.exponents = poses, exponents

    @classmethod
    def draw(cls, chance: Float32[np.ndarray, "b slots"]) -> "Solids":
        """Return shapes from `slots` numbers in [0, 1) each."""
        exponents = np.float32(ROUND[0]) + np.float32(ROUND[1] - ROUND[0]) * chance[:, SLOTS:].reshape(-1, PARTS, 2)
        return cls(draw_poses(chance[:, :SLOTS]), exponents)

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Solids":
        """Return some of the shapes."""
        return Solids(self.poses.take(rows), self.exponents[rows])

    def level(self, k: int, local: Float32[np.ndarray, "b 3 n"]) -> Float32[np.ndarray, "b n"]:
        """Return, for points in the frame of part `k` of the first b shapes, below 1 inside, 1 on it, above outside."""
        size = np.abs(local)
        result: Float32[np.ndarray, "b n"] = size.max(axis=1)
        # Outside the cube is outside, and within the octahedron is inside: only what lies between needs powers.
        row, place = np.nonzero((result < 1) & (size.sum(axis=1) > 1))
        e, f = self.exponents[row, k].T
        x, y, z = (_log(size[row, axis, place]) for axis in range(3))
        plan = _log(np.exp(2 / f * x) + np.exp(2 / f * y))
        result[row, place] = np.exp(f / e * plan) + np.exp(2 / e * z)
        return result

    @cached_property
    def _most(self) -> Float32[np.ndarray, "b k p"]:
        """The largest area that a unit of each cell of the cube becomes: cells of three pairs of faces."""
        fine = 2 * _CELLS + 1
        step = np.linspace(0, 1, fine, dtype=np.float32)
        v, w = np.meshgrid(step, step, indexing="ij")
        x, y, z = (np.stack([(np.ones_like(v), v, w)[(axis - face) % 3] for face in range(3)]) for axis in range(3))
        each = (*np.moveaxis(self.exponents, -1, 0), *np.moveaxis(self.poses.half, -1, 0))
        _, stretch = projected(x, y, z, *(one[..., None, None, None] for one in each))
        cells = np.lib.stride_tricks.sliding_window_view(stretch, (3, 3), axis=(-2, -1))[..., ::2, ::2, :, :]
        most: Float32[np.ndarray, "b k p"] = cells.max(axis=(-2, -1)).reshape(*stretch.shape[:2], -1)
        return most * np.float32(_MARGIN)

    def patches(self) -> Float32[np.ndarray, "b k p"]:
        """Return how often to draw from each cell of the cube around each part."""
        return self._most

    def place(
        self, number: Int64[np.ndarray, " p"], first: Float32[np.ndarray, " m"], second: Float32[np.ndarray, " m"]
    ) -> tuple[Float32[np.ndarray, "3 m"], Float32[np.ndarray, " m"]]:
        """Return points on the unit parts and the share of each to keep, as `surface.Solids` tells it."""
        across, along = 2 * first - 1, 2 * second - 1
        sign, width = np.copysign(np.float32(1), across), 2 * np.abs(across) - 1
        face, row, column = np.unravel_index(np.arange(3 * _CELLS**2), (3, _CELLS, _CELLS))
        parts = len(number) // len(face)
        values = [sign]
        for value, cell in ((width, row), (along, column)):
            begins = np.repeat(np.tile(cell.astype(np.float32), parts), number)
            values.append(np.copysign((begins + np.abs(value)) / _CELLS, value))
        cube = np.empty((3, len(first)), dtype=np.float32)
        for axis in range(3):
            here = np.repeat(np.tile(face == axis, parts), number)
            for shift, value in enumerate(values):
                np.copyto(cube[(axis + shift) % 3], value, where=here)
        of_part = number.reshape(parts, -1).sum(axis=1)
        each = (*self.exponents.reshape(-1, 2).T, *self.poses.half.reshape(-1, 3).T)
        size, stretch = projected(*np.abs(cube), *(np.repeat(one, of_part) for one in each))
        return cube / size, stretch / np.repeat(self._most.ravel(), number)

    def outward(self, patch: Int64[np.ndarray, " m"], unit: Float32[np.ndarray, "3 m"]) -> Float32[np.ndarray, "3 m"]:
        """Return the normals of the unit parts at points on them, not of length 1."""
        e, f = self.exponents.reshape(-1, 2)[patch // (3 * _CELLS**2)].T
        x, y, z = np.abs(unit)
        normal: Float32[np.ndarray, "3 m"] = np.copysign(np.stack(gauge(x, y, z, e, f)[1]), unit)
        return normal


def gauge(
    x: Float32[np.ndarray, "*#m"],
    y: Float32[np.ndarray, "*#m"],
    z: Float32[np.ndarray, "*#m"],
    e: Float32[np.ndarray, "*#m"],
    f: Float32[np.ndarray, "*#m"],
) -> tuple[Float32[np.ndarray, "..."], tuple[Float32[np.ndarray, "..."], ...]]:
    """Return by what factor points with coordinates of 0 to 1 lie outside the unit part, and its derivatives.

    With p = (x^(2/f) + y^(2/f))^(f/2) it is g = (p^(2/e) + z^(2/e))^(e/2); of its derivatives, dg/dz is
    (z/g)^(2/e - 1), dg/dp likewise, and dp/dx is (x/p)^(2/f - 1). All powers are products of logarithms.
    """
    x, y, z = _log(x), _log(y), _log(z)
    plan = f / 2 * _log(np.exp(2 / f * x) + np.exp(2 / f * y))
    size = e / 2 * _log(np.exp(2 / e * plan) + np.exp(2 / e * z))
    by_plan, steep = (2 / e - 1) * (plan - size), 2 / f - 1
    slope = (
        np.exp(by_plan + steep * (x - plan)),
        np.exp(by_plan + steep * (y - plan)),
        np.exp((2 / e - 1) * (z - size)),
    )
    return np.exp(size), slope


def projected(
    x: Float32[np.ndarray, "*#m"],
    y: Float32[np.ndarray, "*#m"],
    z: Float32[np.ndarray, "*#m"],
    e: Float32[np.ndarray, "*#m"],
    f: Float32[np.ndarray, "*#m"],
    *half: Float32[np.ndarray, "*#m"],
) -> tuple[Float32[np.ndarray, "..."], Float32[np.ndarray, "..."]]:
    """Return the gauge g of places on the cube, and the area that a unit of the cube becomes on the stretched part.

    The cone over a piece dC of the cube has the volume dC / 3 and, cut at the surface, dC / (3 g^3); a cone is a third
    of its base by its height, and the plane that touches the unit part has the height 1 / |slope|. Stretching
    multiplies volumes by the product of the half-axes, and the height becomes 1 / |slope / half|.
    """
    size, slope = gauge(x, y, z, e, f)
    length = sum(np.square(one / axis) for one, axis in zip(slope, half, strict=True))
    return size, half[0] * half[1] * half[2] * np.sqrt(length) / (size * size * size)


def _log(x: Float32[np.ndarray, "*m"]) -> Float32[np.ndarray, "*m"]:
    """Return the logarithm, of 0 that of a very small number."""
    result: Float32[np.ndarray, "*m"] = np.log(np.maximum(x, _TINY))
    return result


@final
@dataclass(frozen=True, slots=True)
class Superquadrics:
    """One to nine superquadrics that reach into one another."""

    @property
    def classes(self) -> tuple[str, ...]:
        """None: the shapes mean nothing."""
        return ()

    def draw(self, request: Request) -> Drawn:
        """Return points on the outside of one union for each key."""
        solids = self._solids(request.key)
        return Drawn(*surface(solids, request.chance, request.points, normals=request.normals))

    def mesh(self, key: UInt64[np.ndarray, " 1"]) -> Mesh:
        """Return the parts as triangles, those that lie inside others included."""
        solids = self._solids(key)
        ball, parts = ellipsoid((1, 1, 1)), []
        for exponents in solids.exponents[0, : solids.poses.parts[0]]:
            size, _ = gauge(*np.abs(ball.vertices.T).astype(np.float32), *exponents[:, None])
            parts.append(Mesh(ball.vertices / size[:, None], ball.faces))
        return placed(solids.poses, parts)

    def _solids(self, key: UInt64[np.ndarray, " b"]) -> Solids:
        # A stream of its own: in a mixture they are not to have the poses that unions have.
        return Solids.draw(counter_random.uniform(counter_random.stream(key, 4), Solids.slots))
