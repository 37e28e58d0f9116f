"""Few labels: the same random subsets of the training clouds for everyone who learns from them."""

import numpy as np
from jaxtyping import Int64


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
