"""Nearest neighbours of very many vectors, nearly always the right ones: usearch's graph, behind the extra `search`.

Source: Y. Malkov, D. Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
Small World Graphs", TPAMI 2018; the graph is the library's.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int64

from pointssl.errors import SettingError

CONNECTIVITY = 32
"""Links of each vector; twice the library's own number, for vectors of 128 numbers."""
EFFORT = 256
"""Candidates that are held while the graph is built and asked; the library's own are 128 and 64."""


def nearest(
    vectors: Float32[np.ndarray, "m d"], queries: Float32[np.ndarray, "q d"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float64[np.ndarray, "q k"]]:
    """Return places and distances as `index.nearest` does; the graph is made anew, some seconds per 100,000 vectors."""
    graph = build(vectors)
    return ask(graph, vectors, queries, k)


def build(vectors: Float32[np.ndarray, "m d"]) -> object:
    """Return the graph of some vectors; raises `SettingError` where the library is missing."""
    try:
        from usearch.index import Index
    except ImportError as error:
        raise SettingError(
            "the engine usearch needs a library; pip install 'pointssl[search]', or take exact"
        ) from error
    graph = Index(
        ndim=vectors.shape[1],
        metric="cos",
        dtype="f32",
        connectivity=CONNECTIVITY,
        expansion_add=EFFORT,
        expansion_search=EFFORT,
    )
    graph.add(np.arange(len(vectors)), vectors)
    return graph


def ask(
    graph: object, vectors: Float32[np.ndarray, "m d"], queries: Float32[np.ndarray, "q d"], k: int
) -> tuple[Int64[np.ndarray, "q k"], Float64[np.ndarray, "q k"]]:
    """Return the neighbours that the graph finds, with exact distances and in their order."""
    found = graph.search(queries, k)  # type: ignore[attr-defined]
    places = np.asarray(found.keys, dtype=np.int64).reshape(len(queries), -1)
    distances = 1 - np.einsum("qkd,qd->qk", vectors[places], queries).astype(np.float64)
    order = np.lexsort((places, distances), axis=1)
    return np.take_along_axis(places, order, axis=1), np.maximum(np.take_along_axis(distances, order, axis=1), 0.0)
