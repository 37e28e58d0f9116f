"""Which shapes of an index are like this one: a file, an open cloud, or a shape of the index by its name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np
from jaxtyping import Float32, Num

from pointssl.data.arrays import ArrayDataset
from pointssl.data.cloud import Dataset
from pointssl.data.open import open_dataset
from pointssl.errors import SettingError, nearest
from pointssl.evaluation.embedder import as_clouds
from pointssl.search import approximate
from pointssl.search.encoder import Turns
from pointssl.search.index import Index, encoder_of
from pointssl.search.index import nearest as exact

Engine = Literal["exact", "usearch"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One shape that is like the query."""

    rank: int
    place: int
    """Of the shape in the index, and in the data set that it was made from."""
    name: str
    origin: str
    kind: str | None
    """Its class, where it has one."""
    distance: float
    """1 - cosine: 0 for the same vector, about 1 for shapes that have nothing in common, at most 2."""
    turn: int
    """In which pose of the query it was found, 0 as it is."""


def search(
    index: Index,
    query: Path | str | Num[np.ndarray, "n c"],
    k: int = 10,
    *,
    turns: Turns = 1,
    engine: Engine = "exact",
    device: str | None = None,
) -> list[Hit]:
    """Return the k shapes most like the query, nearest first.

    A word that is no path is a name of the index; a shape found by its name is not among its own neighbours. With
    `turns` the query is tried in 4 or 24 poses, and each shape counts in the one that suits it best. Raises
    `SettingError` for an unknown name, `DataError` for a file that cannot be read or holds several shapes, `RunError`
    where the encoder of the index is not there any more.
    """
    if k < 1:
        raise SettingError(f"k must be at least 1, got {k}")
    own = None
    if isinstance(query, str) and not Path(query).exists():
        own = place_of(index, query)
    if own is not None and turns == 1:
        poses = index.vectors[own][None]
    else:
        dataset = open_dataset(index.source, index.split) if own is not None else _one(query)
        which = dataset if own is None else _alone(dataset, own)
        encoder = encoder_of(index, device=device)
        poses = np.concatenate(list(encoder.turned(which, turns)))
    wanted = min(len(index), k + (own is not None))
    find = approximate.nearest if engine == "usearch" else exact
    places, distances = find(index.vectors, poses, wanted)
    best: dict[int, tuple[float, int]] = {}
    for turn, (row, far) in enumerate(zip(places, distances, strict=True)):
        for place, distance in zip(row.tolist(), far.tolist(), strict=True):
            if place != own and distance < best.get(place, (np.inf, 0))[0]:
                best[place] = (distance, turn)
    ordered = sorted(best.items(), key=lambda one: (one[1][0], one[0]))[:k]
    return [
        Hit(
            rank=rank + 1,
            place=place,
            name=index.names[place],
            origin=index.origins[place],
            kind=index.class_of(place),
            distance=distance,
            turn=turn,
        )
        for rank, (place, (distance, turn)) in enumerate(ordered)
    ]


def place_of(index: Index, name: str) -> int:
    """Return where a name stands in an index; raises `SettingError` with the nearest name where it does not."""
    try:
        return index.names.index(name)
    except ValueError:
        raise SettingError(
            f"there is no file '{name}', and no shape of that name in the index{nearest(name, index.names)}"
        ) from None


def _one(query: Path | str | Num[np.ndarray, "n c"]) -> Dataset:
    """Return the query as a data set of one cloud."""
    if isinstance(query, str | Path):
        dataset = open_dataset(query)
        if len(dataset) != 1:
            raise SettingError(f"{query} holds {len(dataset)} shapes; ask for one of them at a time")
        return dataset
    [cloud] = as_clouds([query])
    return ArrayDataset(cloud[None], name="query")


def _alone(dataset: Dataset, place: int) -> Dataset:
    cloud: Float32[np.ndarray, "n 3"] = dataset.xyz(place)
    return ArrayDataset(np.asarray(cloud, dtype=np.float32)[None], name="query")
