"""Does a learned partition cut shapes where people cut them?

The hard partition of a cloud (each point to its most likely component) is held against what several people drew on the
same shape, by the Rand index: the share of point pairs on which both agree that they belong together or apart. The
adjusted index is 0 for chance and 1 for equality, and does not reward many small parts.

Source: W. M. Rand, "Objective Criteria for the Evaluation of Clustering Methods", JASA 1971; L. Hubert, P. Arabie,
"Comparing Partitions", Journal of Classification 1985; X. Chen, A. Golovinskiy, T. Funkhouser, "A Benchmark for 3D Mesh
Segmentation", SIGGRAPH 2009, who print one minus the Rand index.
"""

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64

from pointssl import progress
from pointssl.data.batches import shuffled, unit_sphere
from pointssl.data.cloud import Dataset
from pointssl.methods import ParAE
from pointssl.ops import stats
from pointssl.ops.stats import Estimate

Parts = Int64[np.ndarray, " n"]
Segmenter = Callable[[Float32[np.ndarray, "n 3"]], Parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far one way of cutting agrees with people, over models."""

    name: str
    rand: Estimate
    """Mean over models of the mean over people; 95 % t-interval over models."""
    adjusted: Estimate
    parts: float
    """Mean number of parts that have points."""
    rand_per_model: tuple[float, ...]
    adjusted_per_model: tuple[float, ...]


def rand_indices(a: Parts, b: Parts) -> tuple[float, float]:
    """Return the Rand index and the adjusted Rand index of two partitions of at least two points."""
    if len(a) < 2:
        raise ValueError(f"a partition needs at least 2 points to have a pair, got {len(a)}")
    _, rows = np.unique(a, return_inverse=True)
    _, columns = np.unique(b, return_inverse=True)
    width = int(columns.max()) + 1
    table = np.bincount(rows * width + columns, minlength=(int(rows.max()) + 1) * width).reshape(-1, width)
    both = _pairs(table)
    in_a, in_b, total = _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0)), len(a) * (len(a) - 1) / 2
    chance, most = in_a * in_b / total, (in_a + in_b) / 2
    # Two partitions that are both whole, or both into single points, are equal and nothing is left to chance.
    adjusted = 1.0 if most == chance else (both - chance) / (most - chance)
    return (total - in_a - in_b + 2 * both) / total, adjusted


def against_people(parts: Parts, people: Int64[np.ndarray, "s n"]) -> tuple[float, float]:
    """Return the mean of both indices over the people who segmented the model."""
    both = np.array([rand_indices(parts, person) for person in people])
    return float(both[:, 0].mean()), float(both[:, 1].mean())


def among_people(people: Int64[np.ndarray, "s n"]) -> tuple[float, float] | None:
    """Return the mean of both indices over all pairs of people; None for a model that one person segmented."""
    both = np.array([rand_indices(a, b) for a, b in itertools.combinations(people, 2)])
    return (float(both[:, 0].mean()), float(both[:, 1].mean())) if len(both) else None


def by_network(method: ParAE) -> Segmenter:
    """Cut by the most likely component of every point; the method is put into evaluation mode."""
    method.eval()

    @torch.no_grad()
    def cut(xyz: Float32[np.ndarray, "n 3"]) -> Parts:
        logits = method.partition_logits(torch.from_numpy(xyz)[None])
        return logits[0].argmax(dim=-1).numpy()

    return cut


def by_k_means(parts: int, seed: int = 0) -> Segmenter:
    """Cut into the cells of k-means, the best of four starts."""
    from sklearn.cluster import KMeans

    def cut(xyz: Float32[np.ndarray, "n 3"]) -> Parts:
        found = KMeans(parts, n_init=4, random_state=seed).fit_predict(xyz)
        return np.asarray(found, dtype=np.int64)

    return cut


def by_mixture(parts: int, seed: int = 0, floor: float = 1e-4) -> Segmenter:
    """Cut by the most likely Gaussian of a full-covariance mixture that EM fits to the very cloud.

    `floor` is what is added to every variance, in squared cloud radii, as in ParAE.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    def cut(xyz: Float32[np.ndarray, "n 3"]) -> Parts:
        mixture = GaussianMixture(parts, covariance_type="full", reg_covar=floor, max_iter=200, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # after 200 steps the parts hardly move
            found = mixture.fit_predict(xyz.astype(np.float64))
        return np.asarray(found, dtype=np.int64)

    return cut


def measure(
    name: str,
    segmenter: Segmenter,
    dataset: Dataset,
    people: Sequence[Int64[np.ndarray, "_ _"]],
    *,
    points: int = 1024,
    seed: int = 0,
) -> Agreement:
    """Cut every model and hold it against its people; every way of cutting sees the same `points` of each model."""
    indices, counts = [], []
    for i in progress.track(range(len(dataset)), name, len(dataset)):
        xyz, drawn = drawn_points(dataset, people[i], i, points, seed)
        parts = segmenter(xyz)
        indices.append(against_people(parts, drawn))
        counts.append(len(np.unique(parts)))
    return _agreement(name, indices, float(np.mean(counts)))


def measure_people(
    dataset: Dataset, people: Sequence[Int64[np.ndarray, "_ _"]], *, points: int = 1024, seed: int = 0
) -> Agreement:
    """Hold people against each other, on the models that at least two of them segmented."""
    indices, counts = [], []
    for i in range(len(dataset)):
        _, drawn = drawn_points(dataset, people[i], i, points, seed)
        found = among_people(drawn)
        if found is not None:
            indices.append(found)
            counts.append(float(np.mean([len(np.unique(person)) for person in drawn])))
    return _agreement("people", indices, float(np.mean(counts)))


def drawn_points(
    dataset: Dataset, people: Int64[np.ndarray, "s m"], index: int, points: int, seed: int
) -> tuple[Float32[np.ndarray, "n 3"], Int64[np.ndarray, "s n"]]:
    """Return a random subset of a model's points, centred and scaled, and what people said of them."""
    xyz = dataset.xyz(index)
    order = shuffled(seed, np.array([index]), len(xyz))[0, :points]
    return unit_sphere(xyz[order][None])[0], people[:, order]


def compare(a: Agreement, b: Agreement) -> tuple[Estimate, Estimate]:
    """Return a - b for both indices, paired over the models."""
    if len(a.rand_per_model) != len(b.rand_per_model):
        raise ValueError(f"{a.name} and {b.name} must be of the same models, got other numbers of them")
    return (
        stats.paired_permutation(np.array(a.rand_per_model), np.array(b.rand_per_model), over="models"),
        stats.paired_permutation(np.array(a.adjusted_per_model), np.array(b.adjusted_per_model), over="models"),
    )


def _agreement(name: str, indices: Sequence[tuple[float, float]], parts: float) -> Agreement:
    rand, adjusted = np.array(indices).T
    return Agreement(
        name=name,
        rand=stats.mean_interval(rand, over="models"),
        adjusted=stats.mean_interval(adjusted, over="models"),
        parts=parts,
        rand_per_model=tuple(rand.tolist()),
        adjusted_per_model=tuple(adjusted.tolist()),
    )


def _pairs(counts: Int64[np.ndarray, "*shape"]) -> float:
    """Return how many pairs lie within groups of these sizes."""
    wide = counts.astype(np.float64)
    return float((wide * (wide - 1)).sum() / 2)
