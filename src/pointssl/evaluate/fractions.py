"""Few labels: the same random subsets of the training clouds for every encoder."""

import numpy as np
from jaxtyping import Int64

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
SUBSETS = 5


def subset(labels: Int64[np.ndarray, " m"], fraction: float, seed: int) -> Int64[np.ndarray, " s"]:
    """Return the places of `fraction` of every class, at least one cloud each, in rising order.

    A function of labels, fraction and seed alone. With one seed, a smaller fraction is part of a larger one.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    generator = np.random.default_rng(seed)
    kept = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        kept.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(kept)).astype(np.int64)


def subset_seeds(fraction: float, subsets: int = SUBSETS) -> range:
    """Return the seeds of the subsets; all of the labels is one subset, however often it is drawn."""
    return range(1 if fraction == 1 else subsets)
