"""Base and novel classes: a data set in two by class, what a classifier learns and what it never sees."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from pointssl.data.cloud import Dataset
from pointssl.data.splits import Splits, Subset, required_labels
from pointssl.errors import DataError, SettingError


@dataclass(frozen=True, slots=True)
class ClassSplit:
    """One data set in four: training and test clouds of the base classes, and of the novel ones."""

    base: tuple[Dataset, Dataset]
    novel: tuple[Dataset, Dataset]


def class_split(splits: Splits, share: float, seed: int) -> ClassSplit:
    """Make a random `share` of the classes novel, at least two on each side.

    Only classes with test clouds and with at least two training clouds become novel.

    Raises:
        SettingError: a share outside (0, 1).
        DataError: too few classes.
    """
    if not 0 < share < 1:
        raise SettingError(f"novel must be above 0 and below 1, got {share}")
    train, test = splits.train_labels, splits.test_labels
    every = np.unique(train)
    able = np.array([c for c in every if (train == c).sum() >= 2 and (test == c).any()], dtype=np.int64)
    count = min(max(2, round(share * len(every))), len(every) - 2)
    if count < 2 or len(able) < count:
        raise DataError(
            f"{splits.name} has {len(every)} classes, {len(able)} of them with two training clouds and a test cloud; "
            "base and novel classes need two each"
        )
    novel = np.sort(np.random.default_rng(seed).permutation(able)[:count])
    base = np.setdiff1d(every, novel)
    if not np.isin(test, base).any():
        raise DataError(
            f"no test clouds of {splits.name} are left with seed {seed}; take a smaller share of novel classes"
        )

    def pair(classes: Int64[np.ndarray, " k"], called: str) -> tuple[Dataset, Dataset]:
        return (
            some_classes(splits.train, classes, f"{splits.name}, {called}/train"),
            some_classes(splits.test, classes, f"{splits.name}, {called}/test"),
        )

    return ClassSplit(pair(base, f"base classes {seed}"), pair(novel, f"novel classes {seed}"))


def some_classes(whole: Dataset, classes: Int64[np.ndarray, " k"], name: str) -> Subset:
    """Return the clouds of some classes, which are numbered afresh in the given order."""
    labels = required_labels(whole)
    index = np.flatnonzero(np.isin(labels, classes))
    fresh = {int(label): number for number, label in enumerate(classes)}
    numbered = np.array([fresh[int(label)] for label in labels[index]], dtype=np.int64)
    names = tuple(whole.classes[int(label)] for label in classes) if whole.classes else ()
    return Subset(whole, index, name, labels=numbered, classes=names)
