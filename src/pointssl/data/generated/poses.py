"""How parts become an assembly: every part is turned and moved, and so is all that was there before it.

Source: X. Chen et al., "Learning 3D Representations from Procedural 3D Programs", arXiv 2411.17467, whose shapes are
those of D. Xie et al., "LRM-Zero", NeurIPS 2024: 1 to 9 parts, half-axes 0.25 to 2, turns of 0 to 180 degrees about x,
y and z, moves of 0 to half the largest full axis along each. What the moves of the assembly are measured by is not
written; here it is the part that comes next.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

PARTS = 9
"""Most parts of a shape."""

_SHARES = np.cumsum(np.array([5, 5, 5, 4, 4, 3, 2, 1, 1]) / 30)
"""Probability of 1 to 9 parts, added up."""

_HALF = (0.25, 2.0)
"""Half-axes of a part."""

SLOTS = 1 + PARTS * 15
"""Random numbers that one shape takes: the number of parts; of each part its half-axes, and two turns and moves."""


class Poses(NamedTuple):
    """Where the parts of `b` shapes lie: the first `parts` of k places are used, the rest are of no meaning."""

    parts: Int64[np.ndarray, " b"]
    half: Float32[np.ndarray, "b k 3"]
    """Half-axes; a part is a shape within the cube from -1 to 1, stretched by them, turned and moved."""
    turn: Float32[np.ndarray, "b k 3 3"]
    move: Float32[np.ndarray, "b k 3"]

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Poses":
        """Return those of some shapes."""
        return Poses(*(part[rows] for part in self))


def draw_poses(chance: Float32[np.ndarray, "b slots"]) -> Poses:
    """Return assemblies from `SLOTS` numbers in [0, 1) for each."""
    shapes = len(chance)
    count = 1 + np.searchsorted(_SHARES[:-1], chance[:, 0], side="right")
    each = chance[:, 1:].reshape(shapes, PARTS, 15)
    half = np.float32(_HALF[0]) + each[..., :3] * np.float32(_HALF[1] - _HALF[0])
    largest = half.max(axis=2, keepdims=True)
    turn, move = _turns(each[..., 3:6]), each[..., 6:9] * largest
    around, along = _turns(each[..., 9:12]), each[..., 12:15] * largest
    # Before part k the assembly so far is turned by `around[k]` and moved by `along[k]`; seen from part j, those of all
    # later parts follow each other. Going backwards, they grow by one.
    later = np.broadcast_to(np.eye(3, dtype=np.float32), (shapes, 3, 3)).copy()
    shift = np.zeros((shapes, 3), dtype=np.float32)
    for k in range(PARTS - 1, -1, -1):
        there = (k < count)[:, None]
        place = _apply(later, move[:, k]) + shift
        turn[:, k], move[:, k] = later @ turn[:, k], place
        shift = np.where(there, _apply(later, along[:, k]) + shift, shift)
        later = np.where(there[..., None], later @ around[:, k], later)
    return Poses(count, half, turn, move)


def _apply(matrix: Float32[np.ndarray, "b 3 3"], vector: Float32[np.ndarray, "b 3"]) -> Float32[np.ndarray, "b 3"]:
    moved: Float32[np.ndarray, "b 3"] = (matrix @ vector[..., None])[..., 0]
    return moved


def _turns(chance: Float32[np.ndarray, "b k 3"]) -> Float32[np.ndarray, "b k 3 3"]:
    """Return turns about x, then y, then z, each by 0 to 180 degrees."""
    cosine, sine = np.cos(np.pi * chance, dtype=np.float32), np.sin(np.pi * chance, dtype=np.float32)
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(cosine, -1, 0), np.moveaxis(sine, -1, 0)
    rows = (cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz,
            cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz,
            -sy, sx * cy, cx * cy)  # fmt: skip
    return np.stack(rows, axis=-1).reshape(*chance.shape, 3)
