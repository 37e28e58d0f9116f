"""The clouds that are measured and their regions, chosen once and the same for every network."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

from pointssl.data.batches import shuffled
from pointssl.data.cloud import Dataset
from pointssl.errors import DataError, SettingError
from pointssl.interpret.config import InteractConfig
from pointssl.ops.games.coalitions import regions


@dataclass(frozen=True, slots=True)
class Clouds:
    """Clouds of a data set, with a region for every point."""

    index: Int64[np.ndarray, " m"]
    """Place of each in its data set."""
    label: Int64[np.ndarray, " m"]
    xyz: Float32[np.ndarray, "m n 3"]
    region: Int64[np.ndarray, "m n"]


def choose(labels: Int64[np.ndarray, " s"], count: int, seed: int) -> Int64[np.ndarray, " m"]:
    """Return places of `count` clouds in rising order, equally many of each class as far as it has them."""
    generator = np.random.default_rng(seed)
    turn = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        turn[members] = np.arange(len(members))  # the k-th of each class comes before the (k+1)-th of any
    order = np.lexsort((generator.permutation(len(labels)), turn))
    return np.sort(order[:count]).astype(np.int64)


def gather(dataset: Dataset, config: InteractConfig) -> Clouds:
    """Read the chosen clouds and cut them into regions.

    Raises:
        DataError: no clouds, no labels, no parts where they are asked for, or clouds that cannot be used.
        SettingError: more parts than regions.
    """
    if len(dataset) == 0:
        raise DataError(f"{dataset.name} holds no clouds; there is nothing to explain")
    labels = dataset.labels
    if labels is None:
        raise DataError(f"{dataset.name} has no labels; sort the files into one folder per class, or give a list file")
    index = choose(labels, config.clouds, config.seed)
    batch = config.reading.batch(dataset, index, seed=config.seed)
    xyz = batch.xyz.numpy()
    if config.segmentation == "parts":
        region = np.stack([_parts(dataset, int(place), config) for place in index])
    else:
        region = torch.cat([regions(some, config.regions) for some in batch.xyz.split(16)]).numpy()
    return Clouds(index=index, label=labels[index], xyz=xyz, region=region)


def given(
    dataset: Dataset,
    index: Int64[np.ndarray, " m"],
    xyz: Float32[np.ndarray, "m n 3"],
    region: Int64[np.ndarray, "m n"],
) -> Clouds:
    """Return clouds with regions of the caller's own, such as superpoints; `region` counts from 0.

    Raises:
        DataError: a data set without labels.
        ValueError: negative regions.
    """
    if dataset.labels is None:
        raise DataError(f"{dataset.name} has no labels; give a labelled data set")
    if region.min() < 0:
        raise ValueError(f"region must be at least 0, got {region.min()}")
    return Clouds(index=index, label=dataset.labels[index], xyz=xyz, region=region)


def _parts(dataset: Dataset, place: int, config: InteractConfig) -> Int64[np.ndarray, " n"]:
    """Return the part of each point that `stack` draws, numbered from 0 within the cloud."""
    cloud = dataset[place]
    if "part" not in cloud.channels:
        raise DataError(f"cloud {place} of {dataset.name} has no part labels; take segmentation = farthest")
    size = len(cloud.points)
    order = shuffled(config.seed, np.array([place]), size)[0]
    part = cloud.channels["part"][order[np.arange(config.reading.points) % size], 0]
    names, region = np.unique(part, return_inverse=True)
    if len(names) > config.regions:
        raise SettingError(
            f"regions must be at least the {len(names)} parts of cloud {place} of {dataset.name}, got {config.regions}"
        )
    return region.astype(np.int64)
