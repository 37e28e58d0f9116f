"""All that the explorer shows of a data set, computed: maps, neighbours, clusters, copies, odd ones, small clouds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Float32, Int8, Int64

from pointssl.data.batches import unit_sphere
from pointssl.data.cloud import Dataset, Up
from pointssl.evaluation import knn
from pointssl.progress import track
from pointssl.search.duplicates import Duplicates, outliers
from pointssl.search.index import Index, nearest
from pointssl.show.explore.clusters import find_clusters, name_clusters
from pointssl.show.run.embedding import FEWEST, FlatMap, pca_map, tsne_map

NEIGHBOURS = 12
ODD = 50
"""Outliers that are listed."""
_TSNE_MOST = 20_000
"""More shapes than this are too slow for scikit-learn's t-SNE; openTSNE, where it is installed, has no such limit."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The shapes as one encoder sees them."""

    name: str
    maps: tuple[FlatMap, ...]
    """The first is shown at first."""
    places: Int64[np.ndarray, "m k"]
    """Neighbours, nearest first, without the shape itself; -1 where there are fewer shapes."""
    distances: Float[np.ndarray, "m k"]
    odd: tuple[tuple[int, float], ...]
    """Shapes that are like nothing else, with their mean distance to their neighbours."""
    predicted: Int64[np.ndarray, " m"] | None
    """Class by the votes of the neighbours; None without classes."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """A data set as the explorer shows it."""

    title: str
    names: tuple[str, ...]
    origins: tuple[str, ...]
    label: Int64[np.ndarray, " m"]
    classes: tuple[str, ...]
    up: Up
    points: Int8[np.ndarray, "m p 3"]
    """127ths of the farthest point's distance from the middle."""
    stored: Int64[np.ndarray, " m"]
    """Points in the file, or drawn on its surface."""
    size: Float[np.ndarray, " m"]
    """Diagonal of the box, in units of the file."""
    cluster: Int64[np.ndarray, " m"]
    cluster_names: tuple[str, ...]
    copies: tuple[tuple[int, ...], ...]
    split: tuple[str, ...] | None
    views: tuple[View, ...]


def build_atlas(
    indices: Sequence[Index],
    dataset: Dataset,
    *,
    title: str,
    up: Up,
    points: int,
    copies: Duplicates | None = None,
    split: Sequence[str] | None = None,
    seed: int = 0,
) -> Atlas:
    """Put an atlas together from the indices of one data set by one encoder or several; clusters are of the first.

    `points` is how many of each cloud the page carries.
    """
    first = indices[0]
    views = tuple(view_of(index, seed=seed) for index in indices)
    small = np.zeros((len(first), points, 3), dtype=np.int8)
    stored, size = np.zeros(len(first), dtype=np.int64), np.zeros(len(first))
    for i in track(range(len(first)), "clouds for the page", len(first)):
        xyz = dataset.xyz(i)
        stored[i], size[i] = len(xyz), float(np.linalg.norm(np.ptp(xyz, axis=0).astype(np.float64)))
        small[i] = shrunk(xyz, points, seed=i)
    cluster = find_clusters(views[0].maps[0].places)
    return Atlas(
        title=title,
        names=first.names,
        origins=first.origins,
        label=first.label,
        classes=first.classes,
        up=up,
        points=small,
        stored=stored,
        size=size,
        cluster=cluster,
        cluster_names=tuple(name_clusters(cluster, first.names)),
        copies=() if copies is None else copies.groups,
        split=None if split is None else tuple(split),
        views=views,
    )


def view_of(index: Index, *, seed: int = 0) -> View:
    """Return maps and neighbours of an index."""
    count = min(NEIGHBOURS, len(index) - 1)
    found, far = nearest(index.vectors, index.vectors, count + 1)
    own = np.arange(len(index))[:, None]
    # A copy may stand before the shape itself: the shape is taken out wherever it stands, else the last one goes.
    keep = found != own
    keep[keep.all(axis=1), -1] = False
    places = np.full((len(index), NEIGHBOURS), -1, dtype=np.int64)
    distances = np.zeros((len(index), NEIGHBOURS))
    places[:, :count] = found[keep].reshape(len(index), count)
    distances[:, :count] = far[keep].reshape(len(index), count)
    return View(
        name=index.encoder,
        maps=maps_of(index.vectors, seed=seed),
        places=places,
        distances=distances,
        odd=tuple(outliers(index, min(ODD, len(index)))),
        predicted=_predicted(index, places),
    )


def maps_of(vectors: Float32[np.ndarray, "m d"], *, seed: int) -> tuple[FlatMap, ...]:
    """Return t-SNE's map, where there are shapes enough and not too many, and PCA's."""
    pca = pca_map(vectors)
    if len(vectors) < FEWEST:
        return (pca,)
    try:
        import openTSNE
    except ImportError:
        return (pca,) if len(vectors) > _TSNE_MOST else (tsne_map(vectors, perplexity=30.0, seed=seed), pca)
    used = min(30.0, (len(vectors) - 1) / 3)
    model = openTSNE.TSNE(perplexity=used, metric="cosine", random_state=seed, initialization="pca")
    places = np.asarray(model.fit(vectors), dtype=np.float64)
    note = f"Perplexity {used:.3g}, cosine, openTSNE; only who is near whom has a meaning, not the axes."
    return FlatMap(title="t-SNE", places=places, note=note), pca


def shrunk(xyz: Float32[np.ndarray, "n 3"], points: int, *, seed: int) -> Int8[np.ndarray, "p 3"]:
    """Return some points of a cloud in 127ths of its radius; those of a small cloud are there twice."""
    order = np.random.default_rng(seed).permutation(len(xyz))[np.arange(points) % len(xyz)]
    unit = unit_sphere(np.asarray(xyz, dtype=np.float32)[None])[0][order]
    small: Int8[np.ndarray, "p 3"] = np.rint(127 * np.clip(np.nan_to_num(unit), -1, 1)).astype(np.int8)
    return small


def _predicted(index: Index, places: Int64[np.ndarray, "m k"]) -> Int64[np.ndarray, " m"] | None:
    """Return the class that each shape's neighbours vote for; only shapes with a class vote."""
    known = np.flatnonzero(index.label >= 0)
    if not index.classes or len(known) < 2:
        return None
    predicted = np.full(len(index), -1, dtype=np.int64)
    for i, row in enumerate(places):
        voters = row[(row >= 0) & (index.label[row] >= 0)]
        if len(voters):
            vectors, one = index.vectors[voters], index.vectors[i][None]
            predicted[i] = knn.predict(vectors, index.label[voters], one, k=len(voters))[0]
    return predicted
