"""Which labelled clouds a classifier learns from: all, a part of every class, or all but those kept for validation.

The choice follows from the labels, the fraction and the seed alone: everyone who learns from few labels gets the same.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from pointssl.data import splits
from pointssl.data.open import Data
from pointssl.runs.config import PretrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """Which of the labelled clouds are learned from, and which are scored on."""

    label_fraction: float = 1.0
    """Part of the training clouds of every class to learn from, at least one cloud each."""
    label_seed: int = 0
    """Seed of that choice, and of the clouds kept for validation; all arms with one seed get the same clouds."""
    validate: float = 0.0
    """Part of the training clouds of every class to be scored on in place of the test clouds, for choosing settings."""

    def __post_init__(self) -> None:
        if not 0 < self.label_fraction <= 1:
            raise ValueError(f"label_fraction must be in (0, 1], got {self.label_fraction}")
        if not 0 <= self.validate < 1:
            raise ValueError(f"validate must be at least 0 and below 1, got {self.validate}")
        if self.label_seed < 0:
            raise ValueError(f"label_seed must be at least 0, got {self.label_seed}")


def divide(data: Data, labels: LabelConfig, *, classes: bool = True) -> splits.Splits:
    """Return the clouds to learn from, as few as asked for, and those to be scored on.

    Without `classes` clouds need no labels of their own, and are one class where they have none.
    """
    divided = splits.open_splits(data, classes=classes)
    if labels.validate:
        share, seed = labels.validate, labels.label_seed
        divided = splits.hold_out(divided.train, seed=seed, share=share, called="validation", classes=classes)
        splits.check(divided, classes=classes)
    if labels.label_fraction == 1:
        return divided
    own = divided.train.labels if not classes else divided.train_labels
    own = np.zeros(len(divided.train), np.int64) if own is None else own
    chosen = label_subset(own, labels.label_fraction, labels.label_seed)
    name = f"{divided.train.name} ({labels.label_fraction:.3g})"
    return replace(divided, train=splits.Subset(divided.train, chosen, name))


def label_subset(labels: Int64[np.ndarray, " m"], fraction: float, seed: int) -> Int64[np.ndarray, " s"]:
    """Return the indices of `fraction` of every class, at least one cloud each, in rising order.

    With one seed, a smaller fraction is part of a larger one.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        chosen.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def fit_batch(config: PretrainConfig, clouds: int) -> PretrainConfig:
    """Return the settings with batches of `clouds` where they are larger; never below the two that batch norm needs."""
    return replace(config, data=replace(config.data, batch_size=max(2, min(config.data.batch_size, clouds))))
