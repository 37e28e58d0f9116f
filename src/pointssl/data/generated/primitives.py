"""Ellipsoids, boxes, elliptic cylinders and frames of bars: what is inside of one, and points spread evenly over it.

Each lies within the cube from -1 to 1 and is stretched by its half-axes. One formula serves all three: with q the
squared coordinates, `max(q0 + s0 q1 + s1 q2, q1, q2)` is below 1 inside, for slopes s of (1, 1) an ellipsoid, (1, 0) a
cylinder along the third axis and (0, 0) a box. A frame is the twelve edges of the cube, as square bars.
Source of the draws on stretched surfaces: J. Williamson, "Random selection of points distributed on curved surfaces",
Physics in Medicine and Biology 1987: a point is kept with the stretch of its place over the largest one.
"""

from typing import final

import numpy as np
from jaxtyping import Float32, Int64

from pointssl.data.generated.details import Cut, Field
from pointssl.data.generated.poses import PARTS, SLOTS, Poses, draw_poses

ELLIPSOID, CYLINDER, BOX, FRAME = range(4)
_SLOPES = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], dtype=np.float32)

_BALL, _SIDE, _ENDS, _FACES, _NONE, _BARS = 0, 1, 2, 3, 6, 7
_PATCH_OF = np.array(
    [
        [_BALL, _NONE, _NONE],
        [_SIDE, _ENDS, _NONE],
        [_FACES, _FACES + 1, _FACES + 2],
        [_BARS, _BARS + 1, _BARS + 2],
    ]
)
"""What a surface is drawn in: one ball; side and ends; three pairs of faces; four bars along each axis."""


@final
class Primitives:
    """The parts of several shapes."""

    slots = SLOTS + PARTS
    """Random numbers that one shape takes."""
    oversampling = 1.9
    """Candidates for each point asked for, with which nine shapes in ten have enough left."""

    def __init__(
        self,
        poses: Poses,
        kind: Int64[np.ndarray, "b k"],
        *,
        bar: Float32[np.ndarray, " b"] | None = None,
        cut: Cut | None = None,
        field: Field | None = None,
    ) -> None:
        """Take parts and their kinds; `bar` is the width of the bars of frames, over half of their side."""
        self.poses, self.kind, self.cut, self.field = poses, kind, cut, field
        self.bar = np.zeros(len(kind), dtype=np.float32) if bar is None else bar

    @classmethod
    def draw(cls, chance: Float32[np.ndarray, "b slots"]) -> "Primitives":
        """Return shapes from `slots` numbers in [0, 1) each; all kinds are equally likely."""
        return cls(draw_poses(chance[:, :SLOTS]), (chance[:, SLOTS:] * np.float32(3)).astype(np.int64))

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Primitives":
        """Return some of the shapes."""
        cut = None if self.cut is None else self.cut.take(rows)
        field = None if self.field is None else self.field.take(rows)
        return Primitives(self.poses.take(rows), self.kind[rows], bar=self.bar[rows], cut=cut, field=field)

    def level(self, k: int, local: Float32[np.ndarray, "b 3 n"]) -> Float32[np.ndarray, "b n"]:
        """Return, for points in the frame of part `k` of the first b shapes, below 1 inside, 1 on it, above outside."""
        slope = _SLOPES[self.kind[: len(local), k]]
        x, y, z = np.moveaxis(local * local, 1, 0)
        level: Float32[np.ndarray, "b n"] = np.maximum(np.maximum(x + slope[:, :1] * y + slope[:, 1:] * z, y), z)
        frame = np.flatnonzero(self.kind[: len(local), k] == FRAME)
        if len(frame):  # between the bars is outside: there two coordinates are far from the edge
            second = np.sort(np.abs(local[frame]), axis=1)[:, 1]
            hollow = second < 1 - self.bar[frame, None]
            level[frame] = np.where(hollow, np.maximum(level[frame], 2), level[frame])
        return level

    def patches(self) -> Float32[np.ndarray, "b k p"]:
        """Return how often to draw from each patch: its area over the share that `place` keeps."""
        half = self.poses.half
        a, b, c = np.moveaxis(half, -1, 0)
        volume, none = a * b * c, np.zeros_like(a)
        ball = np.stack([4 * np.pi * volume / half.min(axis=-1), none, none], axis=-1)
        tube = np.stack([4 * np.pi * volume / np.minimum(a, b), 2 * np.pi * a * b, none], axis=-1)
        cuboid = 8 * np.stack([b * c, c * a, a * b], axis=-1)
        if not (self.kind == FRAME).any():
            return np.choose(self.kind[..., None], [ball, tube, cuboid]).astype(np.float32)
        bar = self.bar[:, None]  # four bars along each axis, with four sides each
        bars = 16 * bar[..., None] * np.stack([a * (b + c), b * (c + a), c * (a + b)], axis=-1)
        return np.choose(self.kind[..., None], [ball, tube, cuboid, bars]).astype(np.float32)

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
        self._place_bars(unit, kind, number, first, second)
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

    def _place_bars(
        self,
        unit: Float32[np.ndarray, "3 m"],
        kind: Int64[np.ndarray, " p"],
        number: Int64[np.ndarray, " p"],
        first: Float32[np.ndarray, " m"],
        second: Float32[np.ndarray, " m"],
    ) -> None:
        """Write points on bars into `unit`: `first` says how far along, `second` which of four and where around it."""
        if not (kind >= _BARS).any():
            return
        owner = np.repeat(np.arange(len(kind)), number)
        patch = kind[owner]
        mine = np.flatnonzero(patch >= _BARS)
        axis, shape = patch[mine] - _BARS, owner[mine] // (3 * self.kind.shape[1])
        bar, half = self.bar[shape], self.poses.half.reshape(-1, 3)[owner[mine] // 3]
        sides = np.arange(len(mine))
        b, c = half[sides, (axis + 1) % 3], half[sides, (axis + 2) % 3]
        which, around = np.divmod(4 * second[mine], 1)
        # Once around a bar of sides b and c: along b at both ends of c, then along c at both ends of b.
        share = b / (b + c)
        on_b = around < share
        turn = np.where(on_b, around / share, (around - share) / np.maximum(1 - share, np.float32(1e-12)))
        far, near = np.divmod(2 * turn, 1)
        u, v = 1 - bar * np.where(on_b, near, far), 1 - bar * np.where(on_b, far, near)
        unit[axis, mine] = 2 * first[mine] - 1
        unit[(axis + 1) % 3, mine] = np.where(which % 2 == 1, u, -u)
        unit[(axis + 2) % 3, mine] = np.where(which >= 2, v, -v)

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
        bars = np.flatnonzero(kind >= _BARS)
        if len(bars):
            width = self.bar[patch[bars] // (3 * self.kind.shape[1])]
            axis = kind[bars] - _BARS
            normal[:, bars] = 0
            sides = [(axis + shift) % 3 for shift in (1, 2)]
            at = [np.abs(unit[side, bars]) for side in sides]
            # The side of the bar that a point is on: outer or inner, of whichever axis it is nearer to one of.
            off = [np.minimum(1 - one, np.abs(one - (1 - width))) for one in at]
            for one, side, this in zip(at, sides, (off[0] <= off[1], off[0] > off[1]), strict=True):
                outer = np.where(one > 1 - width / 2, 1, -1) * np.sign(unit[side, bars])
                normal[side[this], bars[this]] = outer[this]
        return normal
