"""What a segmenter says of every stored point of a cloud, and how well it does on clouds that it did not learn from.

A network takes so many points at once as it was trained with. So the stored points of a cloud are dealt at random into
groups of that size, the last one filled up with points of the others, and every point is in one group at least; with
several votes this is done as often, and a point gets the mean of its probabilities.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from pointssl import progress
from pointssl.data.batches import shuffled, unit_sphere
from pointssl.data.cloud import Dataset, HasPointLabels, Points
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import Splits
from pointssl.errors import RunError
from pointssl.methods import PointSegmenter
from pointssl.ops import segmentation
from pointssl.ops.counter_random import seed_of
from pointssl.runs.device import choose_device
from pointssl.runs.scores import PointScores

GROUPS = 32
"""Groups of points that are scored at once."""


def groups_of(points: int, size: int, seed: int, cloud: int = 0) -> Int64[np.ndarray, "g n"]:
    """Return the places of `points` stored points in groups of `size`, each in one at least, by (seed, cloud)."""
    order = shuffled(seed, np.array([cloud]), points)[0]
    count = -(-points // size)
    places: Int64[np.ndarray, "g n"] = order[np.arange(count * size) % points].reshape(count, size)
    return places


@torch.no_grad()
def of_every_point(
    say: Callable[[Float[Tensor, "g n 3"]], Float[Tensor, "g n k"]],
    xyz: Points,
    reading: ReadConfig,
    *,
    votes: int = 1,
    seed: int = 0,
    cloud: int = 0,
    device: torch.device | None = None,
) -> Float32[np.ndarray, "n k"]:
    """Return the mean of what `say` says of every stored point in the groups that it is in; groups are on `device`."""
    total: Float32[np.ndarray, "n k"] | None = None
    seen = np.zeros(len(xyz), dtype=np.float32)
    for rows in _passes(len(xyz), reading.points, votes, seed, cloud):
        batch = xyz[rows]
        batch = unit_sphere(batch) if reading.normalise else batch
        made = say(torch.from_numpy(batch).to(device or "cpu")).float().cpu().numpy()
        total = np.zeros((len(xyz), made.shape[-1]), dtype=np.float32) if total is None else total
        np.add.at(total, rows.reshape(-1), made.reshape(-1, made.shape[-1]))
        np.add.at(seen, rows.reshape(-1), 1)
    assert total is not None
    return total / seen[:, None]


def probabilities(
    network: PointSegmenter,
    xyz: Points,
    reading: ReadConfig,
    *,
    category: int | None = None,
    votes: int = 1,
    seed: int = 0,
    cloud: int = 0,
    device: torch.device | None = None,
) -> Float32[np.ndarray, "n k"]:
    """Return the probability of every part at every stored point; `network` must be in evaluation mode on `device`.

    `category` is the class of the cloud: where the network knows its parts, all others get 0. Raises `RunError` where
    logits are not finite.
    """

    def say(batch: Float[Tensor, "g n 3"]) -> Float[Tensor, "g n k"]:
        told = None if category is None else torch.full((len(batch),), category, device=batch.device)
        logits = network(batch, told if network.categories else None).float()
        if not logits.isfinite().all():
            raise RunError("the segmenter's logits are NaN or infinite; its weights or these points are damaged")
        if network.allowed is not None and category is not None and category < len(network.allowed):
            logits = logits.masked_fill(~torch.from_numpy(network.allowed[category]).to(batch.device), -torch.inf)
        shares: Tensor = logits.softmax(dim=-1)
        return shares

    return of_every_point(say, xyz, reading, votes=votes, seed=seed, cloud=cloud, device=device)


def _passes(points: int, size: int, votes: int, seed: int, cloud: int) -> Iterator[Int64[np.ndarray, "g n"]]:
    every = np.concatenate([groups_of(points, size, seed_of(seed, vote), cloud) for vote in range(votes)])
    for start in range(0, len(every), GROUPS):
        yield every[start : start + GROUPS]


def predict_points(
    network: PointSegmenter,
    dataset: Dataset,
    reading: ReadConfig,
    *,
    votes: int = 1,
    device: str | None = None,
    seed: int = 0,
    progress_bar: bool = True,
) -> Iterator[Int64[np.ndarray, " n"]]:
    """Yield the most likely part of every stored point, cloud by cloud, among the parts of the cloud's class.

    In evaluation mode; at the end the network is on `device` and in the mode that it came in.
    """
    chosen, was_training, labels = choose_device(device), network.training, dataset.labels
    network.to(chosen).eval()
    try:
        with progress.bar("scoring points", len(dataset)) if progress_bar else nullcontext() as line:
            for index in range(len(dataset)):
                category = None if labels is None else int(labels[index])
                found = probabilities(
                    network,
                    dataset.xyz(index),
                    reading,
                    category=category if network.categories else None if network.allowed is None else category or 0,
                    votes=votes,
                    seed=seed,
                    cloud=index,
                    device=chosen,
                )
                yield found.argmax(axis=1).astype(np.int64)
                if line is not None:
                    line.advance(1)
    finally:
        network.train(was_training)


def score_points(
    network: PointSegmenter,
    splits: Splits,
    reading: ReadConfig,
    *,
    votes: int = 1,
    scored_on: str = "test",
    epochs: list[float] | None = None,
    device: str | None = None,
    progress_bar: bool = True,
) -> PointScores:
    """Return how `network` does on the second half of `splits`, which must have point labels.

    `epochs` are the mean intersections over union after every epoch, where they were measured.
    """
    test, labels, parts = splits.test, splits.test.labels, len(network.parts)
    assert isinstance(test, HasPointLabels)
    matrix, per_cloud = np.zeros((parts, parts), dtype=np.int64), []
    predictions = predict_points(network, test, reading, votes=votes, device=device, progress_bar=progress_bar)
    for index, predicted in enumerate(predictions):
        truth = test.point_label(index)
        matrix += segmentation.confusion(truth, predicted, parts)
        if labels is None or network.allowed is None:
            own = np.unique(truth[truth >= 0]).tolist()
        else:
            own = np.flatnonzero(network.allowed[int(labels[index])]).tolist()
        per_cloud.append(segmentation.shape_iou(truth, predicted, own) if own else float("nan"))
    if labels is None:
        instance = by_class = None
    else:
        known = np.isfinite(per_cloud)
        instance, by_class = segmentation.instance_and_class_iou(np.array(per_cloud)[known], labels[known])
    return PointScores(
        accuracy=segmentation.overall_accuracy(matrix),
        mean_accuracy=segmentation.mean_accuracy(matrix),
        miou=segmentation.mean_iou(matrix),
        instance_miou=instance,
        class_miou=by_class,
        parts=list(network.parts),
        ious=[None if np.isnan(iou) else float(iou) for iou in segmentation.class_ious(matrix)],
        confusion=matrix.tolist(),
        clouds=len(test),
        points=int(matrix.sum()),
        votes=votes,
        learned_from=len(splits.train),
        data=test.name,
        fingerprint=test.fingerprint,
        scored_on=scored_on,
        per_cloud=per_cloud,
        best_miou=max(epochs) if epochs else None,
        best_epoch=1 + int(np.argmax(epochs)) if epochs else None,
    )
