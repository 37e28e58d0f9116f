"""Ellipsoids, boxes and elliptic cylinders: what is inside of one, and points spread evenly over it.

Each lies within the cube from -1 to 1 and is stretched by its half-axes. One formula serves all three: with q the
squared coordinates, `max(q0 + s0 q1 + s1 q2, q1, q2)` is below 1 inside, for slopes s of (1, 1) an ellipsoid, (1, 0) a
cylinder along the third axis and (0, 0) a box.
Source of the draws on stretched surfaces: J. Williamson, "Random selection of points distributed on curved surfaces",
Physics in Medicine and Biology 1987: a point is kept with the stretch of its place over the largest one.
"""

from typing import final

import numpy as np
from jaxtyping import Float32, Int64

from pointssl.data.generated.poses import PARTS, SLOTS, Poses, draw_poses

ELLIPSOID, CYLINDER, BOX = range(3)
_SLOPES = np.array([[1, 1], [1, 0], [0, 0]], dtype=np.float32)

_BALL, _SIDE, _ENDS, _FACES, _NONE = 0, 1, 2, 3, 6
_PATCH_OF = np.array([[_BALL, _NONE, _NONE], [_SIDE, _ENDS, _NONE], [_FACES, _FACES + 1, _FACES + 2]])
"""What a surface is drawn in: one ball; side and ends; three pairs of faces."""


@final
class Primitives:
    """The parts of several shapes."""

    slots = SLOTS + PARTS
    """Random numbers that one shape takes."""
    oversampling = 1.9
    """Candidates for each point asked for, with which nine shapes in ten have enough left."""

    def __init__(self, poses: Poses, kind: Int64[np.ndarray, "b k"]) -> None:
        self.poses, self.kind = poses, kind

    @classmethod
    def draw(cls, chance: Float32[np.ndarray, "b slots"]) -> "Primitives":
        """Return shapes from `slots` numbers in [0, 1) each; all kinds are equally likely."""
        return cls(draw_poses(chance[:, :SLOTS]), (chance[:, SLOTS:] * np.float32(3)).astype(np.int64))

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Primitives":
        """Return some of the shapes."""
        return Primitives(self.poses.take(rows), self.kind[rows])

    def level(self, k: int, local: Float32[np.ndarray, "b 3 n"]) -> Float32[np.ndarray, "b n"]:
        """Return, for points in the frame of part `k` of the first b shapes, below 1 inside, 1 on it, above outside."""
        slope = _SLOPES[self.kind[: len(local), k]]
        x, y, z = np.moveaxis(local * local, 1, 0)
        level: Float32[np.ndarray, "b n"] = np.maximum(np.maximum(x + slope[:, :1] * y + slope[:, 1:] * z, y), z)
        return level

    def patches(self) -> Float32[np.ndarray, "b k p"]:
        """Return how often to draw from each patch: its area over the share that `place` keeps."""
        half = self.poses.half
        a, b, c = np.moveaxis(half, -1, 0)
        volume, none = a * b * c, np.zeros_like(a)
        ball = np.stack([4 * np.pi * volume / half.min(axis=-1), none, none], axis=-1)
        tube = np.stack([4 * np.pi * volume / np.minimum(a, b), 2 * np.pi * a * b, none], axis=-1)
        cuboid = 8 * np.stack([b * c, c * a, a * b], axis=-1)
        return np.choose(self.kind[..., None], [ball, tube, cuboid]).astype(np.float32)

    def place(
        self, number: Int64[np.ndarray, " p"], first: Float32[np.ndarray, " m"], second: Float32[np.ndarray, " m"]
    ) -> tuple[Float32[np.ndarray, "3 m"], Float32[np.ndarray, " m"]]:
        """Return points on the unit primitives, from two numbers in [0, 1), and the share to keep for even density.

        `number` points lie on each of `patches()`, one patch after the other.
        """
        kind = _PATCH_OF[self.kind].ravel()
        across, along = 2 * first - 1, 2 * second - 1
        sign, width, size = np.copysign(np.float32(1), across), 2 * np.abs(across) - 1, np.abs(along)
        is_ball, is_side = (np.repeat(kind == which, number) for which in (_BALL, _SIDE))
        radius = np.sqrt(size)  # of ends, where the sign of `along` says which one
        np.copyto(radius, np.float32(1), where=is_side)
        np.copyto(radius, np.sqrt(1 - size * size), where=is_ball)
        angle = np.float32(np.pi) * across
        unit = np.stack([radius * np.cos(angle), radius * np.sin(angle), along])
        np.copyto(unit[2], np.copysign(np.float32(1), along), where=np.repeat(kind == _ENDS, number))
        for axis in range(3):
            face = np.repeat(kind == _FACES + axis, number)
            for shift, value in enumerate((sign, width, along)):
                np.copyto(unit[(axis + shift) % 3], value, where=face)
        half = np.repeat(self.poses.half.reshape(-1, 3), 3, axis=0)  # of each patch
        least = np.where(kind == _BALL, half.min(axis=-1), half[..., :2].min(axis=-1))
        kept = np.zeros_like(along)
        for axis in range(3):
            bend = least / half[:, axis]
            if axis == 2:
                bend = bend * (kind == _BALL)
            kept += np.square(np.repeat(bend, number) * unit[axis])
        np.sqrt(kept, out=kept)
        np.copyto(kept, np.float32(1), where=~(is_ball | is_side))
        return unit, kept

    def outward(self, patch: Int64[np.ndarray, " m"], unit: Float32[np.ndarray, "3 m"]) -> Float32[np.ndarray, "3 m"]:
        """Return the normals of the unit primitives at points of them, not of length 1."""
        kind = _PATCH_OF[self.kind].ravel()[patch]
        normal = unit.copy()
        normal[2, kind == _SIDE] = 0
        normal[:2, kind == _ENDS] = 0
        for axis in range(3):
            face = kind == _FACES + axis
            normal[(axis + 1) % 3, face] = 0
            normal[(axis + 2) % 3, face] = 0
        return normal
