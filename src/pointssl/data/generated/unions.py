"""Unions of ellipsoids, boxes and cylinders: shapes without a meaning, which teach an encoder as much as real ones.

Source: X. Chen et al., "Learning 3D Representations from Procedural 3D Programs", arXiv 2411.17467. Differs: points are
drawn from the formula, evenly by area, not from a mesh; cuts, frames and height fields are off unless asked for, and
made in another way (docs/generated.md).
"""

from dataclasses import dataclass, fields
from typing import final

import numpy as np
from jaxtyping import UInt64

from pointssl.data.generated import details
from pointssl.data.generated.dataset import Drawn, Request
from pointssl.data.generated.poses import Poses
from pointssl.data.generated.primitives import BOX, CYLINDER, ELLIPSOID, FRAME, Primitives
from pointssl.data.generated.surface import placed, surface
from pointssl.data.synthetic.mesh import Mesh, box, cylinder, ellipsoid, joined
from pointssl.ops import counter_random

_MESHES = {ELLIPSOID: ellipsoid((1, 1, 1)), CYLINDER: cylinder(1, 2, (0, 0, -1)), BOX: box((2, 2, 2))}


@final
@dataclass(frozen=True, slots=True, repr=False)
class Unions:
    """One to nine primitives that reach into one another."""

    cuts: float = 0.0
    """Share of the shapes that a body is cut out of."""
    frames: float = 0.0
    """Share of the shapes whose first part is a frame of bars."""
    heights: float = 0.0
    """Share of the shapes whose surfaces are raised and lowered."""

    def __post_init__(self) -> None:
        for name in ("cuts", "frames", "heights"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share between 0 and 1, got {getattr(self, name)}")

    def __repr__(self) -> str:
        """Name what differs from the plain form alone, which decides the fingerprint: new details leave old sets be."""
        given = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Unions({', '.join(given)})"

    @property
    def classes(self) -> tuple[str, ...]:
        """None: the shapes mean nothing."""
        return ()

    def draw(self, request: Request) -> Drawn:
        """Return points on the outside of one union for each key."""
        solids = self._solids(request.key)
        return Drawn(*surface(solids, request.chance, request.points, normals=request.normals))

    def mesh(self, key: UInt64[np.ndarray, " 1"]) -> Mesh | None:
        """Return the parts as triangles, those inside others included; None of a shape with a cut or heights."""
        solids = self._solids(key)
        cut = solids.cut is not None and int(solids.cut.place[0]) >= 0
        if cut or (solids.field is not None and solids.field.height.any()):
            return None
        kinds = solids.kind[0, : solids.poses.parts[0]]
        return placed(solids.poses, [_MESHES[int(k)] if k != FRAME else _frame(float(solids.bar[0])) for k in kinds])

    def _solids(self, key: UInt64[np.ndarray, " b"]) -> Primitives:
        plain = Primitives.draw(counter_random.uniform(counter_random.stream(key, 0), Primitives.slots))
        if not (self.cuts or self.frames or self.heights):
            return plain
        chance = counter_random.uniform(counter_random.stream(key, 2), details.SLOTS)
        poses, kind = plain.poses, plain.kind
        framed, rough, pierced = chance[:, 0] < self.frames, chance[:, 1] < self.heights, chance[:, 2] < self.cuts
        kind[framed, 0] = FRAME
        bar = np.float32(details.BAR[0]) + np.float32(details.BAR[1] - details.BAR[0]) * chance[:, 3]
        field = details.draw_field(chance[:, 12:], rough, poses.half) if self.heights else None
        if not self.cuts:
            return Primitives(poses, kind, bar=bar, field=field)
        poses, kind, cut = _pierced(plain, pierced, chance[:, 4:12])
        if field is not None:  # what is cut away has smooth walls
            field = field._replace(height=np.pad(field.height, ((0, 0), (0, 1))))
            field.height[np.flatnonzero(cut.place >= 0), cut.place[cut.place >= 0]] = 0
        return Primitives(poses, kind, bar=bar, cut=cut, field=field)


def _pierced(plain: Primitives, pierced: np.ndarray, chance: np.ndarray) -> tuple[Poses, np.ndarray, details.Cut]:
    """Put a body that is cut away behind the parts of the pierced shapes, its middle on the surface of one of them."""
    old, rows = plain.poses, np.arange(len(plain.kind))
    bitten = (chance[:, 0] * old.parts).astype(np.int64)
    angle, height = 2 * np.pi * chance[:, 1], 2 * chance[:, 2] - 1
    ring = np.sqrt(1 - height * height)
    direction = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=-1).astype(np.float32)
    levels = np.empty(len(rows), dtype=np.float32)
    for k in range(int(old.parts.max())):
        mine = bitten == k
        levels[mine] = plain.take(np.flatnonzero(mine)).level(k, direction[mine][..., None])[:, 0]
    on_it = direction / np.sqrt(levels)[:, None]  # a level grows with the square of the distance
    half, turn, move = old.half[rows, bitten], old.turn[rows, bitten], old.move[rows, bitten]
    low, high = details.CUT
    size = (low + (high - low) * chance[:, 3:6]) * half.max(axis=-1, keepdims=True)
    middle = np.einsum("bij,bj->bi", turn, half * on_it) + move
    place = np.where(pierced, old.parts, -1)
    poses = Poses(
        parts=old.parts + pierced,
        half=np.pad(old.half, ((0, 0), (0, 1), (0, 0)), constant_values=1),
        turn=np.pad(old.turn, ((0, 0), (0, 1), (0, 0), (0, 0))),
        move=np.pad(old.move, ((0, 0), (0, 1), (0, 0))),
    )
    kind = np.pad(plain.kind, ((0, 0), (0, 1)))
    at = rows[pierced], old.parts[pierced]
    poses.half[at], poses.turn[at], poses.move[at] = size[pierced], turn[pierced], middle[pierced]
    kind[at] = (3 * chance[pierced, 6]).astype(np.int64)
    return poses, kind, details.Cut(place)


def _frame(bar: float) -> Mesh:
    """Return the twelve bars of a frame within the cube from -1 to 1."""
    bars = []
    for axis in range(3):
        for u in (-1 + bar / 2, 1 - bar / 2):
            for v in (-1 + bar / 2, 1 - bar / 2):
                size, middle = [bar, bar, bar], [u, v, 0.0]
                size[axis] = 2.0
                middle = [0.0 if i == axis else (u if i == (axis + 1) % 3 else v) for i in range(3)]
                bars.append(box((size[0], size[1], size[2]), (middle[0], middle[1], middle[2])))
    return joined(bars)
