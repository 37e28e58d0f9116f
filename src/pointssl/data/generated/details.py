"""What unions of primitives may have besides: bodies cut away, frames of bars, and faces that are no longer smooth.

Source: X. Chen et al., "Learning 3D Representations from Procedural 3D Programs", arXiv 2411.17467, after D. Xie et
al., "LRM-Zero", NeurIPS 2024: a cut with probability 0.4, a frame with 0.2, height fields with 0.4. Theirs change
meshes; ours change the formula (docs/generated.md says what that leaves different).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

CUT = (0.3, 0.6)
"""Half-axes of what is cut away, over the largest half-axis of the part that it bites into."""
BAR = (0.02, 0.06)
"""Width of the bars of a frame, over half of its side."""
HEIGHT = 0.4
"""Largest height of a field, over the smallest half-axis of its part."""
WAVES = 6
"""Waves of a field."""
FREQUENCY = 4.0
"""Largest number of radians over a half-axis: a field of 5 x 5 heights holds two waves across a face."""

SLOTS = 9 + 3 + 5 * WAVES
"""Random numbers of the details of one shape: of its cut, of what there is and how large, of its waves."""


class Cut(NamedTuple):
    """A body taken away from each shape; it stands behind the parts, as one more of them."""

    place: Int64[np.ndarray, " b"]
    """Which of the parts it is; -1 where nothing is cut."""

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Cut":
        """Return those of some shapes."""
        return Cut(self.place[rows])


class Field(NamedTuple):
    """Heights of each part's surface above the primitive: a sum of waves over its own frame."""

    height: Float32[np.ndarray, "b k"]
    """Largest, in the frame of the assembly; 0 where a part is smooth."""
    wave: Float32[np.ndarray, "b w 3"]
    """Radians along each axis of the part's frame."""
    phase: Float32[np.ndarray, "b w"]

    def take(self, rows: Int64[np.ndarray, " r"]) -> "Field":
        """Return those of some shapes."""
        return Field(*(part[rows] for part in self))

    def at(
        self, shape: Int64[np.ndarray, " m"], k: Int64[np.ndarray, " m"], unit: Float32[np.ndarray, "3 m"]
    ) -> tuple[Float32[np.ndarray, " m"], Float32[np.ndarray, "3 m"]]:
        """Return the heights at points in the frames of their parts, and the slope along each axis there."""
        angle = np.einsum("mwi,im->mw", self.wave[shape], unit) + self.phase[shape] + k[:, None].astype(np.float32)
        share = self.height[shape, k] / self.wave.shape[1]
        height = share * np.cos(angle).sum(axis=1)
        slope = -share * np.einsum("mw,mwi->im", np.sin(angle), self.wave[shape])
        return height.astype(np.float32), slope.astype(np.float32)


def draw_field(
    chance: Float32[np.ndarray, "b n"], rough: Bool[np.ndarray, " b"], half: Float32[np.ndarray, "b k 3"]
) -> Field:
    """Return fields from 1 + 4 `WAVES` numbers in [0, 1) each; those of shapes that are not `rough` are flat."""
    shapes = len(chance)
    each = chance[:, 1 : 1 + 4 * WAVES].reshape(shapes, WAVES, 4)
    height = HEIGHT * chance[:, :1] * half.min(axis=-1) * rough[:, None]
    wave = FREQUENCY * (2 * each[..., :3] - 1)
    return Field(height.astype(np.float32), wave.astype(np.float32), (2 * np.pi * each[..., 3]).astype(np.float32))
