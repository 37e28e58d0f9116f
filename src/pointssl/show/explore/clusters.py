"""Groups of shapes that lie together on a map, named after the words that their files have in common.

Source: R. Campello, D. Moulavi, J. Sander, "Density-Based Clustering Based on Hierarchical Density Estimates", PAKDD
2013, as scikit-learn has it. The names are ours: words of file names that are much more frequent within than without.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")
_SHOWN = 2
"""Words of a name."""


def find_clusters(places: Float[np.ndarray, "m 2"]) -> Int64[np.ndarray, " m"]:
    """Return the cluster of every shape, -1 for those between clusters; none at all for fewer than 20 shapes."""
    from sklearn.cluster import HDBSCAN

    if len(places) < 20:
        return np.full(len(places), -1, dtype=np.int64)
    least = max(5, len(places) // 150)
    found: Int64[np.ndarray, " m"] = HDBSCAN(min_cluster_size=least, min_samples=5, copy=True).fit_predict(places)
    return found.astype(np.int64)


def name_clusters(cluster: Int64[np.ndarray, " m"], names: Sequence[str]) -> list[str]:
    """Return a name for every cluster: its one or two most telling words, or its number where it has none."""
    words = [set(words_of(name)) for name in names]
    everywhere = Counter(word for one in words for word in one)
    told = []
    for number in range(int(cluster.max(initial=-1)) + 1):
        mine = [words[i] for i in np.flatnonzero(cluster == number)]
        inside = Counter(word for one in mine for word in one)
        scores = {
            word: (count / len(mine)) * np.log((count / len(mine)) / (everywhere[word] / len(words)))
            for word, count in inside.items()
            if count >= max(2, 0.2 * len(mine))
        }
        best = sorted(scores, key=lambda word: (-scores[word], word))[:_SHOWN]
        told.append(" ".join(word for word in best if scores[word] > 0) or f"group {number + 1}")
    return told


def words_of(name: str) -> list[str]:
    """Return the words of a file name in small letters: at camel case, digits and signs they end."""
    return [word.lower() for word in _WORD.findall(name)]
