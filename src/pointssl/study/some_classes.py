"""Some classes of a data set as a data set of its own: what a classifier learns, and what it never sees."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from pointssl.data.cloud import Dataset
from pointssl.data.splits import Splits, Subset, required_labels
from pointssl.errors import DataError, SettingError


def some_classes(whole: Dataset, chosen: Int64[np.ndarray, " k"], name: str) -> Subset:
    """Return the clouds of some classes, which are numbered afresh in the given order."""
    labels = required_labels(whole)
    index = np.flatnonzero(np.isin(labels, chosen))
    number = {int(label): place for place, label in enumerate(chosen)}
    fresh = np.array([number[int(label)] for label in labels[index]], dtype=np.int64)
    classes = tuple(whole.classes[int(label)] for label in chosen) if whole.classes else ()
    return Subset(whole, index, name, labels=fresh, classes=classes)


@dataclass(frozen=True, slots=True)
class SeenUnseen:
    """One data set in four: training and test clouds of the classes that are learned, and of the others."""

    seen: tuple[Dataset, Dataset]
    unseen: tuple[Dataset, Dataset]


def leave_out(splits: Splits, share: float, seed: int) -> SeenUnseen:
    """Leave a random `share` of the classes out, at least two on each side.

    Only classes with test clouds and with at least two training clouds are left out.

    Raises:
        SettingError: a share outside (0, 1).
        DataError: too few classes.
    """
    if not 0 < share < 1:
        raise SettingError(f"unseen must be above 0 and below 1, got {share}")
    train, test = splits.train_labels, splits.test_labels
    every = np.unique(train)
    able = np.array([c for c in every if (train == c).sum() >= 2 and (test == c).any()], dtype=np.int64)
    count = min(max(2, round(share * len(every))), len(every) - 2)
    if count < 2 or len(able) < count:
        raise DataError(
            f"{splits.name} has {len(every)} classes, {len(able)} of them with two training clouds and a test cloud; "
            "leaving classes out needs two to learn and two to leave out"
        )
    unseen = np.sort(np.random.default_rng(seed).permutation(able)[:count])
    seen = np.setdiff1d(every, unseen)
    if not np.isin(test, seen).any():
        raise DataError(f"no test clouds of {splits.name} are left with seed {seed}; take a smaller unseen share")

    def pair(chosen: Int64[np.ndarray, " k"], called: str) -> tuple[Dataset, Dataset]:
        return (
            some_classes(splits.train, chosen, f"{splits.name}, {called}/train"),
            some_classes(splits.test, chosen, f"{splits.name}, {called}/test"),
        )

    return SeenUnseen(pair(seen, f"seen classes {seed}"), pair(unseen, f"unseen classes {seed}"))
