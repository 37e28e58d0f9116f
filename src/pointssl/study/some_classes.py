"""Some classes of a data set as a data set of its own: what a classifier learns, and what it never sees."""

import hashlib
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Int64

from pointssl.data.cloud import Cloud, Dataset, Labels, Points
from pointssl.data.splits import Splits, required_labels
from pointssl.errors import DataError, SettingError


@final
class SomeClasses:
    """The clouds of some classes, which are numbered afresh in the given order."""

    def __init__(self, whole: Dataset, chosen: Int64[np.ndarray, " k"], name: str) -> None:
        labels = required_labels(whole)
        self._whole, self._name = whole, name
        self._index = np.flatnonzero(np.isin(labels, chosen))
        place = {int(label): number for number, label in enumerate(chosen)}
        self._labels = np.array([place[int(label)] for label in labels[self._index]], dtype=np.int64)
        names = whole.classes
        self._classes = tuple(names[int(label)] for label in chosen) if names else ()

    @property
    def name(self) -> str:
        """What to call it in tables."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the chosen classes."""
        return self._classes

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, counted within the chosen ones."""
        return self._labels

    @property
    def fingerprint(self) -> str:
        """Changes with the whole set and with the choice."""
        held = self._index.tobytes() + self._labels.tobytes()
        return hashlib.sha256(self._whole.fingerprint.encode() + held).hexdigest()

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Cloud:
        return replace(self._whole[int(self._index[index])], label=int(self._labels[index]))

    def xyz(self, index: int) -> Points:
        """Return the coordinates of one cloud."""
        return self._whole.xyz(int(self._index[index]))


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
            SomeClasses(splits.train, chosen, f"{splits.name}, {called}/train"),
            SomeClasses(splits.test, chosen, f"{splits.name}, {called}/test"),
        )

    return SeenUnseen(pair(seen, f"seen classes {seed}"), pair(unseen, f"unseen classes {seed}"))
