"""Labels of points: a data set whose clouds have a part number for every point, checked before anything learns them.

The channel `part` holds them; a negative number is a point without a label. Which parts a class of clouds can have (the
legs of a chair, no wings) is what its labels say, and a prediction is sought among those alone.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Int64

from pointssl.data.cloud import Cloud, Dataset, Labels, Points, Up, up_of
from pointssl.data.splits import Splits, Subset
from pointssl.errors import DataError
from pointssl.ops import counter_random

CHANNEL = "part"
CACHE_BYTES = 2**30
"""Labels are kept once read, up to this much memory."""


@final
class PointLabelled:
    """A data set with its point labels; `fraction` of the points of each cloud keep theirs, at least one."""

    def __init__(self, whole: Dataset, *, fraction: float = 1.0, seed: int = 0) -> None:
        """Stand before `whole`; which labels are kept follows from (seed, cloud)."""
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1], got {fraction}")
        self.whole = whole
        self._fraction, self._seed = fraction, seed
        self._kept: dict[int, Int64[np.ndarray, " n"]] = {}
        self._bytes = 0

    @property
    def name(self) -> str:
        """Name of the whole set, and how few of its labels are known."""
        return self.whole.name if self._fraction == 1 else f"{self.whole.name} ({self._fraction:.3g} of the points)"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the clouds."""
        return self.whole.classes

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud, or None where the set has none."""
        return self.whole.labels

    @property
    def up(self) -> Up:
        """Axis that points up."""
        return up_of(self.whole)

    @property
    def fingerprint(self) -> str:
        """That of the whole set; another one where some labels are hidden."""
        if self._fraction == 1:
            return self.whole.fingerprint
        return hashlib.sha256(f"{self.whole.fingerprint} {self._fraction} {self._seed}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int) -> Cloud:
        return self.whole[index]

    def xyz(self, index: int) -> Points:
        """Return the coordinates of one cloud."""
        return self.whole.xyz(index)

    def every_label(self, index: int) -> Int64[np.ndarray, " n"]:
        """Return the part of every point, -1 where it has none, hidden ones too; raises `DataError`."""
        index = range(len(self))[index]
        known = self._kept.get(index)
        if known is None:
            known = point_label(self.whole, index)
            if self._bytes + known.nbytes <= CACHE_BYTES:
                self._kept[index], self._bytes = known, self._bytes + known.nbytes
        return known

    def point_label(self, index: int) -> Int64[np.ndarray, " n"]:
        """Return the part of every point, -1 where it has none or its label is hidden; raises `DataError`."""
        known = self.every_label(index)
        if self._fraction == 1:
            return known
        labelled = np.flatnonzero(known >= 0)
        keys = counter_random.keys(self._seed, np.array([range(len(self))[index]]))
        draw = counter_random.words(keys, len(known))[0][labelled]
        kept = labelled[np.argsort(draw, kind="stable")[: max(1, round(self._fraction * len(labelled)))]]
        few = np.full_like(known, -1)
        few[kept] = known[kept]
        return few


def point_label(dataset: Dataset, index: int) -> Int64[np.ndarray, " n"]:
    """Return the part of every point of one cloud; raises `DataError` where they are missing or no whole numbers."""
    cloud = dataset[index]
    place = f"cloud {index} of {dataset.name}"
    if CHANNEL not in cloud.channels:
        have = ", ".join(cloud.channels) or "none"
        raise DataError(
            f"{place} has no label for its points (channels: {have}); give clouds with a part, segment or "
            "classification for every point"
        )
    values = cloud.channels[CHANNEL].reshape(-1)
    if len(values) != len(cloud.points):
        raise DataError(f"{place} has {len(values)} point labels for {len(cloud.points)} points; each needs one")
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise DataError(f"{place} has point labels that are no whole numbers; label points by number, -1 for none")
    return np.asarray(values).astype(np.int64)


def part_names(dataset: Dataset) -> tuple[str, ...]:
    """Return what the numbers of the parts mean, where the set says so; empty where it does not."""
    while isinstance(dataset, Subset):
        dataset = dataset.whole
    names: tuple[str, ...] = tuple(getattr(dataset, "part_names", ()))
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the points of a data set can be."""

    names: tuple[str, ...]
    allowed: Bool[np.ndarray, "c p"]
    """Which parts each class of clouds has, all where it has no cloud; one row where clouds have no classes."""
    unlearned: tuple[str, ...]
    """Parts that no training point is of."""


def labelled_splits(splits: Splits, *, fraction: float = 1.0, seed: int = 0) -> tuple[Splits, Parts]:
    """Return both halves with their point labels, and what they can be; every label is read and checked once.

    A class has the parts that any of its clouds has, in either half: that a chair has legs gives nothing away.
    Raises `DataError`: no labels, a label beyond the names, or points that are all of one part.
    """
    names = part_names(splits.train) or part_names(splits.test)
    train = PointLabelled(splits.train, fraction=fraction, seed=seed)
    test = PointLabelled(splits.test)
    clouds: list[tuple[int, Int64[np.ndarray, " f"]]] = []
    for half in (train, test):
        labels, some = half.labels, False
        for index in range(len(half)):
            found = np.unique(half.every_label(index))
            found = found[found >= 0]
            some = some or len(found) > 0
            if names and len(found) and found[-1] >= len(names):
                raise DataError(
                    f"cloud {index} of {half.name} has a point of part {found[-1]}, but there are {len(names)} parts, "
                    f"0 to {len(names) - 1}; mend its labels"
                )
            clouds.append((0 if labels is None else int(labels[index]), found))
        if not some:
            raise DataError(f"no point of {half.name} has a label; give clouds with a part for their points")
    names = names or tuple(f"part {number}" for number in range(1 + max(int(f.max(initial=0)) for _, f in clouds)))
    classes = 1 if train.labels is None else len(train.classes)
    allowed = np.zeros((max(classes, 1 + max(label for label, _ in clouds)), len(names)), dtype=bool)
    for label, found in clouds:
        allowed[label, found] = True
    if allowed.any(axis=0).sum() < 2:
        raise DataError(f"the points of {splits.train.name} are all of one part; there is nothing to tell apart")
    allowed[~allowed.any(axis=1)] = True  # of a class without a cloud nothing is known
    learned = np.zeros(len(names), dtype=bool)
    for _, found in clouds[: len(train)]:
        learned[found] = True
    unlearned = tuple(name for name, here in zip(names, learned, strict=True) if not here)
    return replace(splits, train=train, test=test), Parts(names=names, allowed=allowed, unlearned=unlearned)
