"""Few-shot classification by the two protocols in use, which give different numbers and are always named.

Protocol A, frozen features: support and query clouds both come from the training split, features are standardised on
the support, a linear SVC with C = 1 decides. Source: the evaluation of M. Afham et al., "CrossPoint", CVPR 2022.
Protocol B, whole network: support from the training split, queries from the test split, fixed folds, everything is
fine-tuned. Source: the evaluation of X. Yu et al., "Point-BERT", CVPR 2022. We report the last epoch; the published
tables of B report the best epoch on the queries, which stands beside it here, so named.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from pointssl.data.splits import class_name
from pointssl.errors import DataError
from pointssl.settings import require_finite

C = 1.0
"""Weight of the errors in protocol A."""

TrainLabels = Int64[np.ndarray, " m"]
QueryLabels = Int64[np.ndarray, " t"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotConfig:
    """Settings of both protocols."""

    ways: tuple[int, ...] = (5, 10)
    """Classes per episode (K)."""
    shots: tuple[int, ...] = (10, 20)
    """Support clouds per class (m)."""
    queries: int = 20
    """Query clouds per class."""
    episodes: int = 10
    """Random draws per (K, m); called runs in A and folds in B."""
    points: int | None = 2048
    """Points per cloud in protocol A, which takes all stored ones, or of the smallest cloud; None: as elsewhere."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.points is not None and self.points < 1:
            raise ValueError(f"points must be at least 1, got {self.points}")
        for name, least in (("queries", 1), ("episodes", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.ways or min(self.ways) < 2:
            raise ValueError(f"ways must be at least 2, got {self.ways}")
        if not self.shots or min(self.shots) < 1:
            raise ValueError(f"shots must be at least 1, got {self.shots}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One draw of classes and clouds; `support` counts in the training split, `query` where the protocol says."""

    support: Int64[np.ndarray, " s"]
    query: Int64[np.ndarray, " q"]
    support_class: Int64[np.ndarray, " s"]
    """0 to K - 1, the class within the episode."""
    query_class: Int64[np.ndarray, " q"]
    classes: Int64[np.ndarray, " k"]
    """The data's number of every class of the episode."""


def draw(
    support_labels: TrainLabels, query_labels: QueryLabels | None, way: int, shot: int, queries: int, *, seed: int
) -> Episode:
    """Draw an episode; without `query_labels` the queries come from the support's split, disjoint from the support.

    Raises `DataError` where fewer than `way` classes have enough clouds.
    """
    usable = usable_classes(support_labels, query_labels, shot, queries)
    if len(usable) < way:
        where = f"{shot} support and {queries} query clouds"
        raise DataError(f"{way}-way needs {way} classes with {where} each, the data has {len(usable)} such classes")
    generator = np.random.default_rng([seed, way, shot])
    support, query = [], []
    classes = generator.choice(usable, size=way, replace=False)
    for label in classes:
        members = generator.permutation(np.flatnonzero(support_labels == label))
        support.append(members[:shot])
        others = members[shot:] if query_labels is None else np.flatnonzero(query_labels == label)
        query.append(generator.permutation(others)[:queries])
    return Episode(
        support=np.concatenate(support),
        query=np.concatenate(query),
        support_class=np.repeat(np.arange(way), shot),
        query_class=np.repeat(np.arange(way), queries),
        classes=classes,
    )


def episodes(
    support_labels: TrainLabels, query_labels: QueryLabels | None, way: int, shot: int, config: FewShotConfig
) -> list[Episode]:
    """Draw all episodes of a (way, shot), a function of the labels and settings alone. Raises as `draw`."""
    return [
        draw(support_labels, query_labels, way, shot, config.queries, seed=number) for number in range(config.episodes)
    ]


def usable_classes(
    support_labels: TrainLabels, query_labels: QueryLabels | None, shot: int, queries: int
) -> Int64[np.ndarray, " c"]:
    """Return the classes with enough clouds for an episode."""
    needed = shot + queries if query_labels is None else shot
    usable = [
        label
        for label in np.unique(support_labels)
        if (support_labels == label).sum() >= needed
        and (query_labels is None or (query_labels == label).sum() >= queries)
    ]
    return np.asarray(usable, dtype=np.int64)


def left_out(
    support_labels: TrainLabels, query_labels: QueryLabels | None, shot: int, queries: int, names: tuple[str, ...]
) -> str:
    """Say which classes are too small for an episode, as the end of a sentence; empty when none is."""
    usable = set(usable_classes(support_labels, query_labels, shot, queries).tolist())
    small = [class_name(names, int(label)) for label in np.unique(support_labels) if int(label) not in usable]
    if not small:
        return ""
    shown = ", ".join(small[:6]) + (", ..." if len(small) > 6 else "")
    return f"; {len(small)} classes have fewer than {shot} + {queries} clouds and are left out: {shown}"


def frozen_accuracy(features: Float32[np.ndarray, "m d"], episode: Episode) -> float:
    """Protocol A: fit on the support, return the share of right queries."""
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    scaler = StandardScaler().fit(features[episode.support])
    machine = SVC(kernel="linear", C=C).fit(scaler.transform(features[episode.support]), episode.support_class)
    predictions = machine.predict(scaler.transform(features[episode.query]))
    return float((predictions == episode.query_class).mean())
