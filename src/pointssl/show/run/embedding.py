"""Two-dimensional maps of pooled features: t-SNE for neighbourhoods, PCA for straight directions.

Source: L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", JMLR 2008; perplexity 10 and 1,000 iterations as
in figure 4 of B. Eckart et al., CVPR 2021. Where there are too few clouds for that perplexity it is lowered, and the
map says so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FEWEST = 5
"""Fewest clouds that t-SNE can arrange: each needs neighbours to be near to and others to be far from."""


@dataclass(frozen=True, slots=True)
class FlatMap:
    """One place per cloud, and what made it."""

    title: str
    places: Float[np.ndarray, "m 2"]
    note: str
    """How the map was made and what to keep in mind, in one sentence."""


def pca_map(pooled: Float[np.ndarray, "m e"]) -> FlatMap:
    """Project on the two directions of most variance; the note says how much of it they show."""
    centred = pooled.astype(np.float64) - pooled.mean(axis=0, dtype=np.float64)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(pooled), 2))
    shown = min(2, len(spread))
    places[:, :shown] = left[:, :shown] * spread[:shown]
    # The sign of a direction is arbitrary; fixing it keeps two runs of the same data alike.
    for axis in range(shown):
        places[:, axis] *= np.sign(places[np.abs(places[:, axis]).argmax(), axis]) or 1.0
    share = (spread[:shown] ** 2).sum() / max(float((spread**2).sum()), np.finfo(float).tiny)
    return FlatMap(title="PCA", places=places, note=f"The two axes show {100 * share:.0f} % of the variance.")


def tsne_map(
    pooled: Float[np.ndarray, "m e"], *, perplexity: float = 10.0, iterations: int = 1000, seed: int = 0
) -> FlatMap:
    """Arrange the clouds so that neighbours in feature space stay neighbours; needs `FEWEST` clouds.

    Raises:
        ValueError: with fewer clouds than that.
    """
    from sklearn.manifold import TSNE

    if len(pooled) < FEWEST:
        raise ValueError(f"pooled must hold at least {FEWEST} clouds for t-SNE, got {len(pooled)}")
    # Perplexity counts effective neighbours; beyond a third of the others it no longer means 'near'.
    used = min(perplexity, (len(pooled) - 1) / 3)
    model = TSNE(n_components=2, perplexity=used, max_iter=iterations, init="pca", random_state=seed)
    places = model.fit_transform(pooled.astype(np.float32)).astype(np.float64)
    note = f"Perplexity {used:.3g}, {iterations:,} iterations"
    if used < perplexity:
        note += f" (lowered from {perplexity:g} because there are only {len(pooled)} clouds)"
    return FlatMap(title="t-SNE", places=places, note=note + "; only who is near whom has a meaning, not the axes.")
