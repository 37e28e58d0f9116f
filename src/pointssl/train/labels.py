"""Which labelled clouds a classifier learns from: all, a part of every class, or all but those kept for validation."""

from dataclasses import dataclass, replace

from pointssl.data import splits
from pointssl.data.cloud import Dataset
from pointssl.data.few_labels import subset


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelConfig:
    """Which of the labelled clouds are learned from, and which are scored on."""

    fraction: float = 1.0
    """Part of the training clouds of every class to learn from, at least one cloud each."""
    draw: int = 0
    """Seed of that choice, and of the clouds kept for validation; all arms with one seed get the same clouds."""
    validate: float = 0.0
    """Part of the training clouds of every class to be scored on in place of the test clouds, for choosing settings."""

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be in (0, 1], got {self.fraction}")
        if not 0 <= self.validate < 1:
            raise ValueError(f"validate must be at least 0 and below 1, got {self.validate}")
        if self.draw < 0:
            raise ValueError(f"draw must be at least 0, got {self.draw}")


def divide(data: str | tuple[Dataset, Dataset], labels: LabelConfig) -> splits.Splits:
    """Return the clouds to learn from, as few as asked for, and those to be scored on."""
    divided = splits.open_splits(data)
    if labels.validate:
        divided = splits.hold_out(divided.train, seed=labels.draw, share=labels.validate, called="validation")
        splits.check(divided)
    if labels.fraction == 1:
        return divided
    chosen = subset(divided.train_labels, labels.fraction, labels.draw)
    name = f"{divided.train.name} ({labels.fraction:.3g})"
    return replace(divided, train=splits.Subset(divided.train, chosen, name))
