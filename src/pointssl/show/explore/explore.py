"""From a data set to the explorer's page: encode, look for copies, arrange, write; or serve it on this machine."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pointssl.data.cloud import Dataset, Up, up_of
from pointssl.data.open import Data, open_dataset, splits_of
from pointssl.data.splits import Subset
from pointssl.errors import SettingError
from pointssl.files import write_text
from pointssl.runs.run import Run
from pointssl.search.duplicates import duplicates
from pointssl.search.encoder import Encoder, Whiten, open_encoder
from pointssl.search.index import Index, index_of
from pointssl.show.explore.atlas import Atlas, build_atlas
from pointssl.show.explore.page import POINTS, explore_page, points_that_fit

UNTRAINED = "untrained"
"""Stands for the random-init baseline of the first encoder, where a second one is asked for."""


def explore(
    data: Data,
    *,
    run: Run | Path | str | None = None,
    beside: str | Path | None = None,
    split: str = "all",
    whiten: Whiten = "best",
    points: int | None = None,
    sample: int | None = None,
    copies: bool = True,
    up: Up | None = None,
    seed: int = 0,
    device: str | None = None,
    served: bool = False,
) -> Atlas:
    """Return all that the explorer shows of `data`, as the encoder of `run` sees it, or the first that ships.

    `beside` is a second encoder, or `untrained` for the first one's random-init baseline; `sample` draws some shapes.
    Raises `SettingError` where a page cannot carry all, unless it is `served`.
    """
    whole = open_dataset(data, split)
    dataset = sampled(whole, sample, seed)
    carried = POINTS[1] // 2 if served else points_that_fit(len(dataset))
    encoders = [open_encoder(run, dataset, whiten=whiten, points=points, seed=seed, device=device)]
    if beside == UNTRAINED:
        encoders.append(untrained(encoders[0], run, dataset, whiten))
    elif beside is not None:
        encoders.append(open_encoder(beside, dataset, whiten=whiten, points=points, seed=seed, device=device))
    source = str(data) if isinstance(data, str | Path) else whole.name
    indices: list[Index] = [index_of(dataset, encoder, source=source) for encoder in encoders]
    return build_atlas(
        indices,
        dataset,
        title=Path(source).name or source,
        up=up or up_of(whole),
        points=carried,
        copies=duplicates(indices[0], dataset, seed=seed) if copies else None,
        split=_splits(data, whole) if dataset is whole else None,
        seed=seed,
    )


def write_explorer(atlas: Atlas, out: Path | str) -> Path:
    """Write the page of an atlas, atomically."""
    path = Path(out)
    if path.suffix not in (".html", ".htm"):
        raise SettingError(f"{path} must end in .html: it is one page")
    write_text(path, explore_page(atlas))
    return path


def sampled(dataset: Dataset, sample: int | None, seed: int) -> Dataset:
    """Return some shapes of a data set, drawn by the seed, in their order; all of them where there are no more."""
    if sample is not None and sample < 2:
        raise SettingError(f"sample must be at least 2 shapes, got {sample}")
    if len(dataset) < 2:
        raise SettingError(f"{dataset.name} holds {len(dataset)} shapes; a map wants at least 2")
    if sample is None or sample >= len(dataset):
        return dataset
    chosen = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:sample])
    return Subset(dataset, chosen, f"{dataset.name} ({sample:,} of {len(dataset):,})")


def untrained(encoder: Encoder, run: Run | Path | str | None, dataset: Dataset, whiten: Whiten) -> Encoder:
    """Return the random-init baseline of an encoder; it has a whitening of its own where the encoder has one."""
    opened = Run.open(encoder.name if run is None else run)
    bare = replace(encoder, name=f"{encoder.name}, untrained", network=opened.untrained(encoder.seed), whitening=None)
    return bare if encoder.whitening is None or whiten == "no" else bare.whitened_by(dataset)


def _splits(data: Data, whole: Dataset) -> Sequence[str] | None:
    """Return the split of every shape, where the data has splits and the shapes can be told by their names."""
    if not isinstance(data, str | Path):
        return None
    where: dict[str, str] = {}
    for split in splits_of(data):
        part = open_dataset(data, split)
        where |= {part[i].name: split for i in range(len(part))}
    names = [whole[i].name for i in range(len(whole))]
    return [where.get(name, "none") for name in names] if where and len(set(names)) == len(names) else None
