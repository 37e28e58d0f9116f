"""What is there twice: shapes whose surfaces differ no more than two readings of one of them do.

Neighbours in the index are candidates; what decides is geometry. Both shapes are centred and scaled alike, their points
drawn twice, and the distance between their surfaces (mean distance to the nearest point, both ways) is held against
that between two draws of the same shape, which is what sampling alone does. A ratio of 1 cannot be told from a copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float32
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from pointssl.data.batches import unit_sphere
from pointssl.data.cloud import Dataset
from pointssl.data.open import open_dataset
from pointssl.errors import SettingError
from pointssl.progress import track
from pointssl.search.index import Index, nearest

RATIO = 1.25
"""Largest ratio of two shapes that count as one."""
POINTS = 1024
"""Most points of each draw; half of the cloud's, where it has fewer than twice as many."""
NEIGHBOURS = 8
"""Candidates of each shape; a larger group of copies is found through its members' neighbours."""
_NOTHING = 1e-4
"""Distance, in cloud radii, below which surfaces are the same, whatever two draws do."""
_FEW = 64
"""A draw of fewer points says nothing of a surface: clouds of fewer than twice as many are compared point by point."""

Draw = Float32[np.ndarray, "n 3"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two shapes that are one, and by how much they differ."""

    first: int
    second: int
    ratio: float
    """Distance of their surfaces over that of two draws of one of them; 1 for a copy."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """What is there twice or more."""

    pairs: tuple[Pair, ...]
    """Closest first."""
    groups: tuple[tuple[int, ...], ...]
    """Places of shapes that pairs hold together, the largest group first."""


def duplicates(
    index: Index, dataset: Dataset | None = None, *, ratio: float = RATIO, neighbours: int = NEIGHBOURS, seed: int = 0
) -> Duplicates:
    """Return which shapes of an index are the same, whatever they are called; turned copies are not looked for.

    `dataset` is what the index was made from, opened anew where it is not given. Raises `SettingError` for a ratio
    below 1 and where the data no longer has the shapes of the index.
    """
    if not ratio >= 1:
        raise SettingError(f"ratio must be at least 1, got {ratio}")
    if neighbours < 1:
        raise SettingError(f"neighbours must be at least 1, got {neighbours}")
    opened = open_dataset(index.source, index.split) if dataset is None else dataset
    require_same(index, opened)
    places, _ = nearest(index.vectors, index.vectors, neighbours + 1)
    asked = sorted({(min(i, j), max(i, j)) for i, row in enumerate(places.tolist()) for j in row if i != j})
    draws = Draws(opened, seed)
    found = [
        Pair(first=i, second=j, ratio=r)
        for i, j in track(asked, "comparing", len(asked))
        if (r := draws.ratio(i, j)) <= ratio
    ]
    return Duplicates(
        pairs=tuple(sorted(found, key=lambda pair: (pair.ratio, pair.first, pair.second))),
        groups=grouped([(pair.first, pair.second) for pair in found], len(index)),
    )


def require_same(index: Index, dataset: Dataset) -> None:
    """Raise `SettingError` unless a data set still has the shapes that an index was made from."""
    if len(dataset) != len(index) or any(dataset[i].name != index.names[i] for i in {0, len(index) - 1}):
        raise SettingError(
            f"{index.source} no longer holds the {len(index)} shapes of the index; make it again: pointssl index "
            f"{index.source} --out FILE"
        )


@final
class Draws:
    """Two draws of every shape, made when they are asked for."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset, self._seed = dataset, seed
        self._kept: dict[int, tuple[cKDTree, Draw, float]] = {}

    def ratio(self, i: int, j: int) -> float:
        """Return how far apart two shapes are, in distances of two draws of the same shape; 1 at the least."""
        (first, one, mine), (second, other, theirs) = self._of(i), self._of(j)
        apart = between(first, one, second, other)
        return 1.0 if apart <= _NOTHING else max(1.0, apart / max((mine + theirs) / 2, _NOTHING))

    def _of(self, place: int) -> tuple[cKDTree, Draw, float]:
        if place not in self._kept:
            points = unit_sphere(np.asarray(self._dataset.xyz(place), dtype=np.float32)[None])[0]
            generator = np.random.default_rng([self._seed, place])
            order = generator.permutation(len(points))
            # Two draws have no point in common, as draws of two copies have not; too few points are all read instead.
            size = min(POINTS, len(points) // 2) if len(points) >= 2 * _FEW else len(points)
            first, second = points[order[:size]], points[order[-size:]]
            tree = cKDTree(first)
            self._kept[place] = tree, first, between(tree, first, cKDTree(second), second)
        return self._kept[place]


def between(first: cKDTree, one: Draw, second: cKDTree, other: Draw) -> float:
    """Return the mean distance from a point of one cloud to the nearest of the other, both ways."""
    return float((second.query(one)[0].mean() + first.query(other)[0].mean()) / 2)


def grouped(pairs: Sequence[tuple[int, int]], count: int) -> tuple[tuple[int, ...], ...]:
    """Return the groups of two and more that pairs hold together, the largest first."""
    if not pairs:
        return ()
    i, j = np.array(pairs).T
    _, group = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(count, count)), directed=False)
    members: dict[int, list[int]] = {}
    for place in sorted({int(one) for pair in pairs for one in pair}):
        members.setdefault(int(group[place]), []).append(place)
    return tuple(sorted((tuple(one) for one in members.values()), key=lambda one: (-len(one), one)))


def outliers(index: Index, count: int = 20, *, neighbours: int = 5) -> list[tuple[int, float]]:
    """Return the shapes that are like nothing else: their mean distance to their nearest neighbours, largest first."""
    if len(index) < 2:
        return []
    places, distances = nearest(index.vectors, index.vectors, neighbours + 1)
    others = places != np.arange(len(index))[:, None]
    mean = np.array([row[keep][:neighbours].mean() for row, keep in zip(distances, others, strict=True)])
    return [(int(i), float(mean[i])) for i in np.argsort(-mean, kind="stable")[:count]]


def write_groups(found: Duplicates, index: Index, path: Path) -> None:
    """Write groups as csv: group, name, origin, ratio to the nearest of its group."""
    import csv

    from pointssl.files import atomic_file

    least: dict[int, float] = {}
    for pair in found.pairs:
        for place in (pair.first, pair.second):
            least[place] = min(least.get(place, np.inf), pair.ratio)
    with atomic_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["group", "name", "origin", "ratio"])
        for number, group in enumerate(found.groups, start=1):
            for place in group:
                writer.writerow([number, index.names[place], index.origins[place], f"{least[place]:.3f}"])
