"""Distances from one chosen point to all others, in space and in feature space, and features small enough for a page.

The lower row of figure 3 in B. Eckart et al., CVPR 2021 colours a cloud by both: a feature distance that follows the
surface instead of the straight line is what the pretext task taught.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8


def distances_from(values: Float[np.ndarray, "n d"], index: int) -> Float[np.ndarray, " n"]:
    """Return the Euclidean distance of every row to row `index`, in the units of `values`."""
    distance: Float[np.ndarray, " n"] = np.linalg.norm(values - values[index], axis=1)
    return distance


def typical_distance(values: Float[np.ndarray, "n d"]) -> float:
    """Return the root mean square distance of two rows drawn at random: the unit of feature distances.

    Twice the total variance, by E|x - y|² = 2 E|x - Ex|². It is 1 where all rows agree, lest something be divided by 0.
    """
    return float(np.sqrt(2 * values.astype(np.float64).var(axis=0).sum())) or 1.0


@dataclass(frozen=True, slots=True)
class SmallFeatures:
    """Features in few bytes: value = offset + step * code, where the offset cancels in every distance."""

    codes: UInt8[np.ndarray, "n d"]
    step: float
    """Feature units per code, the same on every axis, so that distances keep their proportions."""
    unit: float
    """Typical distance of two points in the original features: distances are shown as multiples of it."""
    kept: float
    """Share of the features' variance that the kept axes carry, between 0 and 1."""
    error: float
    """Largest error of any distance from any point, in units of `unit`."""


def shrink(features: Float[np.ndarray, "n d"], dims: int = 32) -> SmallFeatures:
    """Project on the `dims` directions of most variance and round every coordinate to 8 bits.

    The error that this makes is measured over all pairs of points, not estimated.
    """
    from scipy.spatial.distance import pdist

    if dims < 1:
        raise ValueError(f"dims must be at least 1, got {dims}")
    values = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    _, spread, directions = np.linalg.svd(values, full_matrices=False)
    total = float((spread**2).sum())
    kept = spread[:dims] > 1e-9 * max(1.0, float(spread[0]))
    low_dim = values @ directions[:dims][kept].T if kept.any() else np.zeros((len(values), 1))
    span = float(np.ptp(low_dim, axis=0).max())
    step = span / 255 or 1.0
    codes = np.rint((low_dim - low_dim.min(axis=0)) / step).astype(np.uint8)
    unit = typical_distance(features)
    error = float(np.abs(pdist(values) - step * pdist(codes.astype(np.float64))).max(initial=0.0)) / unit
    share = float((spread[:dims] ** 2).sum()) / total if total > 0 else 1.0
    return SmallFeatures(codes=codes, step=step, unit=unit, kept=min(1.0, share), error=error)
