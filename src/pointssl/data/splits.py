"""Which clouds are learned from and which are scored on, and whether their labels fit together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Int, Int64

from pointssl.data.cloud import Cloud, Dataset, Labels, Points, Up, up_of, verify
from pointssl.data.endless import Sampled, is_endless, no_end
from pointssl.data.open import Data, open_dataset, splits_of
from pointssl.errors import DataError

TEST_SHARE = 0.2
"""Part of each class that is held out where a data set has no test split."""


@final
class Subset:
    """Some clouds of a data set, in the given order; with `labels` and `classes` their classes are numbered afresh."""

    def __init__(
        self,
        whole: Dataset,
        index: Int[np.ndarray, " s"],
        name: str,
        *,
        labels: Labels | None = None,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        self._whole, self._index, self._name = whole, index, name
        self._labels, self._classes = labels, classes

    @property
    def up(self) -> Up:
        """Axis that points up, as in the whole set."""
        return up_of(self._whole)

    def verify(self) -> None:
        """Compare the whole set with its checksums, where it has some; raises `DataError` where they differ."""
        verify(self._whole)

    @property
    def whole(self) -> Dataset:
        """The data set that these clouds are of."""
        return self._whole

    @property
    def name(self) -> str:
        """What to call it in tables."""
        return self._name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the whole set, or the fresh ones."""
        return self._whole.classes if self._classes is None else self._classes

    @property
    def labels(self) -> Labels | None:
        """Class of every cloud that is kept."""
        if self._labels is not None:
            return self._labels
        labels = self._whole.labels
        return None if labels is None else labels[self._index]

    @property
    def fingerprint(self) -> str:
        """Changes with the whole set and with the choice."""
        import hashlib

        choice = self._index.astype(np.int64).tobytes() + (b"" if self._labels is None else self._labels.tobytes())
        return hashlib.sha256(self._whole.fingerprint.encode() + choice).hexdigest()

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Cloud:
        cloud = self._whole[int(self._index[index])]
        return cloud if self._labels is None else replace(cloud, label=int(self._labels[index]))

    def xyz(self, index: int) -> Points:
        """Return the coordinates of one kept cloud."""
        return self._whole.xyz(int(self._index[index]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """A labelled data set in two parts that share their class names."""

    name: str
    train: Dataset
    test: Dataset
    origin: str
    """Where the division comes from: the data set itself, or ours."""

    @property
    def train_labels(self) -> Labels:
        """Class of every training cloud."""
        return required_labels(self.train)

    @property
    def test_labels(self) -> Labels:
        """Class of every test cloud."""
        return required_labels(self.test)


def open_splits(data: Data, *, seed: int = 0, classes: bool = True) -> Splits:
    """Open the training and test part of `data`; where nothing is divided, hold out a fifth of every class.

    Without `classes` clouds need no labels of their own, as where it is their points that are told apart. Raises
    `DataError` where either part is damaged, or labels are missing or do not match.
    """
    known = splits_of(data)
    if "test" in known and "train" in known:
        train, test = open_dataset(data, "train"), open_dataset(data, "test")
        origin = "given as two data sets" if isinstance(data, tuple) else "the data set's own split"
        splits = Splits(name=_title(test), train=train, test=test, origin=origin)
    elif "test" in known:
        raise DataError(
            f"{data} has a test split but none called train, only {', '.join(known)}; name its clouds train"
        )
    else:
        splits = hold_out(open_dataset(data), seed=seed, classes=classes)
    check(splits, classes=classes)
    return splits


def first_clouds(dataset: Dataset, count: int) -> Dataset:
    """Return the first `count` clouds of a data set without an end; any other comes back as it is."""
    if not is_endless(dataset):
        return dataset
    return Subset(dataset, np.arange(count), f"{dataset.name}, the first {count}")


def holds_test_clouds(fingerprint: str, splits: Splits, data: Data) -> bool:
    """Tell whether the data set of this fingerprint holds the test clouds of `splits`, which `data` was opened as.

    It does where it is their part, or the whole that they are a part of. Content decides, no name; the same clouds in
    another form, such as a folder and the store that was packed from it, are not recognised.
    """
    if fingerprint == splits.test.fingerprint:
        return True
    if isinstance(splits.test, Subset):
        return fingerprint == splits.test.whole.fingerprint
    if fingerprint == splits.train.fingerprint or not isinstance(data, str | Path):
        return False
    return fingerprint == open_dataset(data).fingerprint


def hold_out(
    dataset: Dataset, *, seed: int = 0, share: float = TEST_SHARE, called: str = "test", classes: bool = True
) -> Splits:
    """Divide a labelled data set by class: `share` of each is held out, at least one cloud stays to learn from.

    `called` is the name of what is held out. Without `classes` a set whose clouds have no labels is one class.
    """
    generator = np.random.default_rng(seed)
    labels = dataset.labels if not classes else required_labels(dataset)
    labels = np.zeros(len(dataset), np.int64) if labels is None else labels
    test: list[Int64[np.ndarray, " t"]] = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        test.append(members[: min(max(1, round(share * len(members))), len(members) - 1)])
    held = np.sort(np.concatenate(test)).astype(np.int64)
    kept = np.setdiff1d(np.arange(len(dataset)), held)
    title = _title(dataset)
    return Splits(
        name=title,
        train=Subset(dataset, kept, f"{title}/train"),
        test=Subset(dataset, held, f"{title}/{called}"),
        origin=f"stratified {1 - share:.0%}/{share:.0%} by seed {seed}, because the data set has no test split",
    )


def required_labels(dataset: Dataset) -> Labels:
    """Return the labels, or raise a `DataError` that says how to give them."""
    labels = dataset.labels
    if labels is None and is_endless(dataset):
        raise no_end(dataset.name, "a part of it with labels is generated:fractals:n=1000")
    if labels is None:
        message = f"{dataset.name} has no labels, which are needed here"
        if isinstance(dataset, Sampled):
            raise DataError(f"{message}; generated shapes with labels are synthetic and generated:fractals:n=1000")
        raise DataError(
            f"{message}; sort the files into one folder per class, or give a list file (path, label, split)"
        )
    return labels


def check(splits: Splits, *, classes: bool = True) -> None:
    """Raise `DataError` unless both parts have clouds and labels of the same classes, at least two of them.

    Without `classes` they only must not be of different ones.
    """
    train, test = splits.train, splits.test
    for part in (train, test):
        if len(part) == 0:
            raise DataError(
                f"{part.name} holds no clouds; an evaluation needs some to learn from and some to be scored on"
            )
        if classes:
            required_labels(part)
    if train.classes != test.classes:
        raise DataError(
            f"the classes of {train.name} and {test.name} do not match: {_mismatch(train.classes, test.classes)}"
        )
    if not classes:
        return
    if len(np.unique(splits.train_labels)) < 2:
        raise DataError(f"{train.name} has clouds of one class only; there is nothing to tell apart")
    unseen = np.setdiff1d(splits.test_labels, splits.train_labels)
    if len(unseen) == len(np.unique(splits.test_labels)):
        raise DataError(f"no class of {test.name} occurs in {train.name}; the labels do not match")


def class_name(classes: Sequence[str], label: int) -> str:
    """Return the name of a class, or its number where the data set names none."""
    return classes[label] if label < len(classes) else f"class {label}"


def _mismatch(train: tuple[str, ...], test: tuple[str, ...]) -> str:
    only_train, only_test = sorted(set(train) - set(test)), sorted(set(test) - set(train))
    if not only_train and not only_test:
        return "the same names in another order"
    parts = [f"only in {where}: {', '.join(n[:5])}" for where, n in (("train", only_train), ("test", only_test)) if n]
    return "; ".join(parts)


def _title(dataset: Dataset) -> str:
    """Name of the data set without its split."""
    name, _, split = dataset.name.rpartition("/")
    return name if name and split in ("train", "test", "val", "all") else dataset.name
