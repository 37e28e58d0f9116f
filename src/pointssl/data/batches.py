"""Batches without state: which clouds, which of their points and how they are changed follows from (seed, step).

A run can therefore be taken up at any step, on any number of processes, with nothing stored but the step's number.
Stored points are often sorted along a curve, so the points of a cloud are always drawn at random, never the first ones.
The draw is a hash of (seed, cloud, point) instead of a generator's stream: it needs no state per cloud and is computed
for a whole batch at once.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from pointssl.data.augment import AugmentConfig, augment
from pointssl.data.cloud import LARGEST, Dataset, HasPointLabels, Views, no_shape, verify
from pointssl.data.endless import Sampled, size_of
from pointssl.errors import DataError
from pointssl.ops import counter_random
from pointssl.ops.batch_rng import Draws
from pointssl.ops.counter_random import seed_of
from pointssl.types import CloudBatch

_POSITION_BITS = np.uint64(24)
_LARGEST_CLOUD = 1 << 24


def stack(
    dataset: Dataset,
    indices: Sequence[int] | Int64[np.ndarray, " b"],
    points: int,
    *,
    seed: int = 0,
    normalise: bool = True,
    allow_repeats: bool = False,
) -> CloudBatch:
    """Put clouds side by side, each with a random subset of its points that depends on (seed, index) alone.

    With `normalise` every subset is centred to its mean and its farthest point lies at radius 1. Raises `DataError` for
    a cloud that is no shape (`no_shape`), and for one with fewer than `points` points unless `allow_repeats`, which
    then uses every point once before it uses one twice.
    """
    indices = np.asarray(indices, dtype=np.int64)
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    if isinstance(dataset, Sampled):
        xyz = dataset.sample(indices, points, seed=seed, allow_repeats=allow_repeats)
    else:
        xyz = subsets(dataset, indices, points, seed=seed, allow_repeats=allow_repeats)
    if normalise:
        xyz = unit_sphere(xyz)
    labels = dataset.labels
    return CloudBatch(
        xyz=torch.from_numpy(xyz),
        label=None if labels is None else torch.from_numpy(labels[indices]),
        index=torch.from_numpy(indices),
        point_label=_point_labels(dataset, indices, points, seed) if isinstance(dataset, HasPointLabels) else None,
    )


def subsets(
    dataset: Dataset,
    indices: Int64[np.ndarray, " b"],
    points: int,
    *,
    seed: int,
    draws: Int64[np.ndarray, " b"] | None = None,
    allow_repeats: bool = False,
) -> Float32[np.ndarray, "b n 3"]:
    """Return random points of stored clouds, by (seed, draw) alone; `draws` are the clouds' own places by default.

    Raises `DataError` as `stack` does.
    """
    draws = indices if draws is None else draws
    clouds = [dataset.xyz(int(index)) for index in indices]
    sizes = np.array([len(cloud) for cloud in clouds])
    if len(sizes) and sizes.min() < (1 if allow_repeats else points):
        short = int(sizes.argmin())
        raise DataError(
            f"cloud {indices[short]} of {dataset.name} has {sizes[short]} points, fewer than the {points} asked for; "
            "ask for fewer, or allow repeated points"
        )
    xyz = np.empty((len(clouds), points, 3), dtype=np.float32)
    for row, chosen in _chosen(sizes, points, seed, draws):
        np.take(clouds[row], chosen, axis=0, out=xyz[row], mode="clip")  # "clip" writes without a buffer
    # Cheap signs first: a bad number anywhere, or a first point that is also the last.
    if not np.abs(xyz).max(initial=0) <= LARGEST or (points > 1 and (xyz[:, 0] == xyz[:, -1]).all(axis=1).any()):
        for index, cloud in zip(indices, xyz, strict=True):
            fault = no_shape(cloud)
            if fault is not None:
                place = f"cloud {index} of {dataset.name}"
                raise DataError(f"{place} has {fault}; `pointssl data check` lists all such clouds")
    return xyz


def _chosen(
    sizes: Int64[np.ndarray, " b"], points: int, seed: int, draws: Int64[np.ndarray, " b"]
) -> Iterator[tuple[int, Int64[np.ndarray, " n"]]]:
    """Yield each row of a batch and the places of its points, those of equal clouds together."""
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        order = shuffled(seed, draws[rows], int(size))
        yield from zip(rows, order[:, :points] if points <= size else order[:, np.arange(points) % size], strict=True)


def _point_labels(
    dataset: HasPointLabels, indices: Int64[np.ndarray, " b"], points: int, seed: int
) -> Int64[Tensor, "b n"]:
    """Return the labels of the very points that `subsets` draws."""
    stored = [dataset.point_label(int(index)) for index in indices]
    labels = np.empty((len(stored), points), dtype=np.int64)
    for row, chosen in _chosen(np.array([len(one) for one in stored]), points, seed, indices):
        labels[row] = stored[row][chosen]
    return torch.from_numpy(labels)


def unit_sphere(xyz: Float32[np.ndarray, "b n 3"]) -> Float32[np.ndarray, "b n 3"]:
    """Centre clouds to their mean and scale their farthest point to radius 1; equal points all become 0."""
    # As products: numpy's own sums and differences along so short a last axis take five to ten times longer.
    clouds, points = xyz.shape[:2]
    mean = np.full(points, 1 / points, dtype=np.float32) @ xyz  # (b, 3)
    centred = (xyz.reshape(clouds, -1) - np.tile(mean, (1, points))).reshape(xyz.shape)
    radius = np.sqrt((np.square(centred) @ np.ones(3, dtype=np.float32)).max(axis=1))
    unit: Float32[np.ndarray, "b n 3"] = centred / np.maximum(radius, np.finfo(np.float32).tiny)[:, None, None]
    return unit


def shuffled(seed: int, clouds: Int64[np.ndarray, " b"], size: int) -> Int64[np.ndarray, "b n"]:
    """Return a random order of `size` points for every cloud, a pure function of (seed, cloud).

    The numbers that are sorted carry the point's position in their low bits, which costs nothing and makes the plain
    sort (several times faster than an argsort) give the order.
    """
    if size > _LARGEST_CLOUD:
        raise ValueError(f"size must be at most {_LARGEST_CLOUD} points, got {size}")
    keys = counter_random.words(counter_random.keys(seed, clouds), size)
    keys = (keys >> _POSITION_BITS << _POSITION_BITS) | np.arange(size, dtype=np.uint64)
    keys.sort(axis=1)
    keys &= np.uint64(_LARGEST_CLOUD - 1)
    return keys.view(np.int64)


@lru_cache(maxsize=2)
def _order(seed: int, clouds: int) -> Int64[np.ndarray, " c"]:
    """Return the order of the clouds in one epoch; kept, because every step of the epoch asks for it."""
    return np.random.default_rng(seed).permutation(clouds)


def _beginning(seed: int) -> int:
    """Return the first cloud that a seed reads of an endless set: no two seeds meet within 2**36 clouds.

    The first 2**36 are left to whoever looks at a set or measures on it, so that this has not been trained on.
    """
    return (1 + seed_of(seed, 6) % 2**20) << 36


@final
class Pictures:
    """Some of the stored views of each cloud of a data set."""

    def __init__(self, views: Views, row: Int64[np.ndarray, " c"], count: int) -> None:
        """Read `count` views per cloud; cloud i of the data set is object `row[i]` of `views`."""
        self._views, self._row, self._count = views, row, count
        self.fingerprint = views.fingerprint

    def verify(self) -> None:
        """Compare the pictures with their checksums, where they have some; raises `DataError` where they differ."""
        verify(self._views)

    def batch(self, clouds: Int64[np.ndarray, " b"], seed: int) -> UInt8[np.ndarray, "b v c h w"]:
        """Return different views of each cloud, drawn by (seed, cloud) alone."""
        order = shuffled(seed, clouds, self._views.count)[:, : self._count]
        return np.stack([self._views.views(int(self._row[c]), which) for c, which in zip(clouds, order, strict=True)])


@final
class Batches:
    """Training batches: calling it with a step gives that step's batch, always the same.

    Each epoch visits the clouds in a new order, with a fresh subset of the points of each; the clouds that do not fill
    a last batch sit that epoch out. An endless set is read on and on, every seed from a place of its own. With `world`
    processes of `batch` clouds each, the processes' batches of a step are, in the order of their ranks, the batch of
    one process with `batch * world` clouds, augmentation included.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch: int,
        points: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        normalise: bool = True,
        allow_repeats: bool = False,
        augment: AugmentConfig | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        if not 0 <= rank < world:
            raise ValueError(f"rank must be 0 to {world - 1}, got {rank}")
        size = size_of(dataset)
        self.steps_per_epoch = None if size is None else size // (batch * world)
        """None where the data set has no end."""
        if self.steps_per_epoch == 0:
            raise DataError(
                f"{dataset.name} has {len(dataset)} clouds, fewer than one batch of {batch * world}; "
                "use more clouds or a smaller batch"
            )
        self.batch, self.world, self._rank = batch, world, rank
        self._dataset, self._points, self._seed = dataset, points, seed
        self._normalise, self._allow_repeats = normalise, allow_repeats
        self._augment = None if augment is None or augment.is_none else augment
        self.pictures = pictures

    def indices(self, step: int) -> Int64[np.ndarray, " b"]:
        """Return which clouds this process reads at `step`."""
        if self.steps_per_epoch is None:
            first = _beginning(self._seed) + (step * self.world + self._rank) * self.batch
            return np.arange(first, first + self.batch, dtype=np.int64)
        epoch, within = divmod(step, self.steps_per_epoch)
        order = _order(seed_of(self._seed, 0, epoch), len(self._dataset))
        first = (within * self.world + self._rank) * self.batch
        return order[first : first + self.batch]

    def __call__(self, step: int) -> CloudBatch:
        """Return the batch of `step`, which counts from 0 and may pass any number of epochs."""
        epoch = 0 if self.steps_per_epoch is None else step // self.steps_per_epoch
        batch = stack(
            self._dataset,
            self.indices(step),
            self._points,
            seed=seed_of(self._seed, 1, epoch),
            normalise=self._normalise,
            allow_repeats=self._allow_repeats,
        )
        if self.pictures is not None:
            chosen = self.pictures.batch(self.indices(step), seed_of(self._seed, 5, epoch))
            batch = replace(batch, views=torch.from_numpy(chosen))
        if self._augment is None:
            return batch
        generator = torch.Generator().manual_seed(seed_of(self._seed, 2, step))
        first, total = self._rank * self.batch, self.world * self.batch
        changed = augment(batch.xyz, self._augment, Draws(generator, len(batch.xyz), first, total))
        return replace(batch, xyz=changed)


def prefetch(
    batches: Callable[[int], CloudBatch], steps: range, *, workers: int = 1, pin: bool = False
) -> Iterator[CloudBatch]:
    """Yield the batches of `steps` in order while threads make the next ones; `pin` puts them in page-locked memory."""

    def make(step: int) -> CloudBatch:
        batch = batches(step)
        return batch.pin_memory() if pin else batch

    if workers < 1:
        yield from map(make, steps)
        return
    waiting: deque[Future[CloudBatch]] = deque()
    upcoming = iter(steps)
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as threads:
        try:
            for step in upcoming:
                waiting.append(threads.submit(make, step))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
