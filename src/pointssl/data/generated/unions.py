"""Unions of ellipsoids, boxes and cylinders: shapes without a meaning, which teach an encoder as much as real ones.

Source: X. Chen et al., "Learning 3D Representations from Procedural 3D Programs", arXiv 2411.17467. Differs: points are
drawn from the formula, evenly by area, not from a mesh; no height fields, cuts and wire frames (docs/generated.md).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import UInt64

from pointssl.data.generated.dataset import Drawn, Request
from pointssl.data.generated.primitives import BOX, CYLINDER, ELLIPSOID, Primitives
from pointssl.data.generated.surface import placed, surface
from pointssl.data.synthetic.mesh import Mesh, box, cylinder, ellipsoid
from pointssl.ops import counter_random

_MESHES = {ELLIPSOID: ellipsoid((1, 1, 1)), CYLINDER: cylinder(1, 2, (0, 0, -1)), BOX: box((2, 2, 2))}


@final
@dataclass(frozen=True, slots=True)
class Unions:
    """One to nine primitives that reach into one another."""

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
        kinds = solids.kind[0, : solids.poses.parts[0]]
        return placed(solids.poses, [_MESHES[int(kind)] for kind in kinds])

    def _solids(self, key: UInt64[np.ndarray, " b"]) -> Primitives:
        return Primitives.draw(counter_random.uniform(counter_random.stream(key, 0), Primitives.slots))
