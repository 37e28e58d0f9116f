"""Features whose distances mean more: standardised, turned onto their principal axes, the long ones shortened.

Pooled features have few long axes and many short ones, and a cosine hears the long ones alone. Each axis is divided by
the square root of its length, half-way to equal lengths: short axes count, and noise is not blown up to their size.

Source: A. Kessy, A. Lewin, K. Strimmer, "Optimal Whitening and Decorrelation", The American Statistician 2018 (PCA-cor
whitening). Differs: the power is 1/2 of theirs, and the shortest axes are left out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitening:
    """An affine map of features, learned without labels."""

    mean: Float64[np.ndarray, " d"]
    turn: Float64[np.ndarray, "d e"]

    def __call__(self, features: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "m e"]:
        """Return the features on the kept axes."""
        mapped: Float32[np.ndarray, "m e"] = ((features - self.mean) @ self.turn).astype(np.float32)
        return mapped


def fit_whitening(features: Float32[np.ndarray, "m d"], *, axes: int = 128, power: float = 0.5) -> Whitening:
    """Learn the map from unlabelled clouds.

    Args:
        features: of at least two clouds that differ.
        axes: how many principal axes to keep, fewer where the features have fewer.
        power: 0 keeps the lengths of the axes (standard deviations), 1 makes all of them 1.
    """
    if axes < 1:
        raise ValueError(f"axes must be at least 1, got {axes}")
    if not 0 <= power <= 1:
        raise ValueError(f"power must be 0 to 1, got {power}")
    rows = features.astype(np.float64)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    # A feature that is the same for all clouds says nothing of new ones either.
    told = spread > 1e-6 * max(float(spread.max()), np.finfo(np.float64).tiny)
    scale = np.where(told, 1 / np.where(told, spread, 1.0), 0.0)
    _, lengths, axis = np.linalg.svd((rows - mean) * scale, full_matrices=False)
    lengths = lengths / np.sqrt(len(rows))
    if not lengths[0] > 0:
        raise ValueError(f"features must be of clouds that differ, got {len(rows)} alike")
    kept = np.flatnonzero(lengths > 1e-6 * lengths[0])[:axes]
    return Whitening(mean=mean, turn=scale[:, None] * axis[kept].T * lengths[kept] ** -power)
