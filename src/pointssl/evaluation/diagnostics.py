"""What features are like, without a classifier: how many directions they use, how they spread, what lies near what.

Source: effective rank, O. Roy, M. Vetterli, EUSIPCO 2007; alignment and uniformity, T. Wang, P. Isola, ICML 2020;
CKA, S. Kornblith et al., ICML 2019, with the unbiased estimate of L. Song et al., JMLR 2012, which is 0 on average for
features that have nothing in common, however many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from pointssl import files
from pointssl.data.open import Data
from pointssl.data.splits import open_splits
from pointssl.errors import SettingError
from pointssl.evaluation.features import EncodeConfig, encode_cached
from pointssl.runs.run import Run

Rows = Float[np.ndarray, "m d"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Figures of one encoder on the test clouds of a data set."""

    effective_rank: float
    """Directions that the features use, 1 to their width: the exponential of the entropy of the singular values."""
    alignment: float
    """Mean squared distance of two readings of a cloud on the unit sphere: 0 where a cloud is always one point."""
    uniformity: float
    """Log of the mean of exp(-2 · squared distance) over pairs of clouds: 0 where all are one point, lower is wider."""
    retrieval: float | None
    """Mean average precision of finding clouds of the same class by cosine, 0 to 1; None where no class has two."""
    clusters: float
    """Normalised mutual information of k-means, as many clusters as classes, with the classes, 0 to 1."""


def effective_rank(x: Rows) -> float:
    """Return the effective rank of centred features; 0 where all rows are equal."""
    values = np.linalg.svd(x.astype(np.float64) - x.mean(axis=0, dtype=np.float64), compute_uv=False)
    if values[0] <= 1e-9 * max(1.0, float(np.abs(x).max())):
        return 0.0
    share = values[values > 0] / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def alignment(x: Rows, y: Rows) -> float:
    """Return the mean squared distance of paired rows on the unit sphere, 0 to 4."""
    return float(np.square(_unit(x) - _unit(y)).sum(axis=1).mean())


def uniformity(x: Rows) -> float:
    """Return log mean exp(-2 d²) over all pairs of different rows on the unit sphere, -8 to 0; needs two rows."""
    unit = _unit(x)
    i, j = np.triu_indices(len(x), k=1)
    return float(np.log(np.exp(4 * ((unit @ unit.T)[i, j] - 1)).mean()))  # d² = 2 - 2 cos


def cka(x: Rows, y: Float[np.ndarray, "m e"]) -> float:
    """Return linear CKA of two encoders' features of the same clouds: 1 for the same up to turns and one scale.

    The estimate is unbiased, so it can lie a little below 0. Needs four clouds.
    """
    if len(x) < 4:
        raise ValueError(f"x must be of at least 4 clouds, got {len(x)}")
    a, b = _centred(x), _centred(y)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def retrieval(x: Rows, labels: Int[np.ndarray, " m"]) -> float | None:
    """Return the mean average precision over clouds whose class has others; None where no class has two clouds."""
    unit = _unit(x)
    precisions = []
    for i, label in enumerate(labels):
        others = np.delete(np.arange(len(labels)), i)
        right = labels[others] == label
        if right.any():
            order = np.argsort(-(unit[others] @ unit[i]), kind="stable")
            hits = right[order]
            precisions.append(float((hits.cumsum() / (np.arange(len(hits)) + 1))[hits].mean()))
    return float(np.mean(precisions)) if precisions else None


def clusters(x: Rows, labels: Int[np.ndarray, " m"], seed: int = 0) -> float:
    """Return the normalised mutual information of the classes and of k-means' best of ten starts on the unit sphere."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    found = KMeans(len(np.unique(labels)), n_init=10, random_state=seed).fit_predict(_unit(x))
    return float(normalized_mutual_info_score(labels, found))


def diagnose(
    runs: Sequence[Path | str], data: Data, *, points: int | None = None, seed: int = 0, out: Path | None = None
) -> tuple[dict[str, Diagnosis], dict[tuple[str, str], float]]:
    """Return the figures of every run and of its random-init baseline on the test clouds, and CKA of all pairs of them.

    Clouds are read twice for `alignment`, their points drawn by `seed` and by the next. `out` is a JSON file.
    """
    splits = open_splits(data)
    labels, features = splits.test_labels, dict[str, Rows]()
    found: dict[str, Diagnosis] = {}
    for name in map(str, runs):
        if name in features:
            raise SettingError(f"{name} is named twice")
        run = Run.open(name)
        config = EncodeConfig(reading=run.reading.with_points(points))
        folder = run.evaluation_folder / "features"
        for arm, network in ((name, run.encoder()), (f"{name}, untrained", run.untrained(seed))):
            x, again = (
                encode_cached(network, splits.test, config, folder, seed=s, title=arm) for s in (seed, seed + 1)
            )
            features[arm] = x
            found[arm] = Diagnosis(
                effective_rank=effective_rank(x),
                alignment=alignment(x, again),
                uniformity=uniformity(x),
                retrieval=retrieval(x, labels),
                clusters=clusters(x, labels, seed),
            )
    names = list(features)
    alike = {(a, b): cka(features[a], features[b]) for i, a in enumerate(names) for b in names[i + 1 :]}
    if out is not None:
        files.write_json(out, to_json(found, alike, splits.name, len(labels)))
    return found, alike


def to_json(
    found: Mapping[str, Diagnosis], alike: Mapping[tuple[str, str], float], data: str, clouds: int
) -> dict[str, Any]:
    """Return what `diagnose` found as JSON."""
    pairs = [{"a": a, "b": b, "cka": value} for (a, b), value in alike.items()]
    return {"data": data, "test_clouds": clouds, "encoders": {k: asdict(v) for k, v in found.items()}, "pairs": pairs}


def _unit(x: Rows) -> Rows:
    wide = x.astype(np.float64)
    unit: Rows = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit


def _centred(x: Rows) -> Float[np.ndarray, "m m"]:
    """Return inner products centred so that the sum of a product of two such matrices is unbiased (diagonal 0)."""
    m = len(x)
    wide = x.astype(np.float64)
    products: Float[np.ndarray, "m m"] = wide @ wide.T
    np.fill_diagonal(products, 0)
    rows = products.sum(axis=0) / (m - 2)
    products = products - rows[:, None] - rows[None] + products.sum() / ((m - 1) * (m - 2))
    np.fill_diagonal(products, 0)
    return products
