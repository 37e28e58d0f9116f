"""What the pictures show of one shape: its points and features, its parts and mixture, or marks of its own."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

INSIDE = 0.9
"""Share of a cloud's points inside the iso-surface that is drawn."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles in space; counter-clockwise seen from outside."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]


@dataclass(frozen=True, slots=True)
class MixtureView:
    """The learned partition and the mixture that it implies."""

    part: Int[np.ndarray, " n"]
    """Component with the largest share in each point."""
    weight: Float[np.ndarray, " j"]
    mean: Float[np.ndarray, "j 3"]
    cov: Float[np.ndarray, "j 3 3"]
    level: float
    """Log density of the iso-surface, in nats."""
    surface: Mesh

    def drawn(self, least: float = 1e-3) -> Int[np.ndarray, " m"]:
        """Return the components that hold at least this share of the points; the others are left out of pictures."""
        return np.flatnonzero(self.weight >= least)


@dataclass(frozen=True, slots=True)
class Marks:
    """Groups of points with colours of their own and one sentence about them, shown instead of parts and distances."""

    group: Int[np.ndarray, " n"]
    """Group of each point, a place in `colours`."""
    colours: tuple[str, ...]
    """Hex colours."""
    text: str


@dataclass(frozen=True, slots=True)
class ShapeView:
    """One shape, as the pictures need it."""

    name: str
    points: Float[np.ndarray, "n 3"]
    features: Float[np.ndarray, "n d"]
    mixture: MixtureView | None = None
    marks: Marks | None = None
