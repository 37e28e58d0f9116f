"""What a run keeps of how its classifier did on clouds that it did not learn from: `run/scores.json`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How a classifier did on clouds it did not learn from, after its last epoch."""

    accuracy: float
    """Share of right clouds."""
    class_accuracy: float
    """Mean over the classes of the share of right clouds."""
    clouds: int
    learned_from: int
    """Clouds in training."""
    data: str
    fingerprint: str
    scored_on: str
    """`test`, or `validation` for clouds held out of the training clouds."""
    classes: list[str]
    labels: list[int]
    """Class of every cloud."""
    predictions: list[int]
    """Predicted class of every cloud, in the same order."""
    best_accuracy: float | None = None
    """Accuracy after the epoch that did best on these very clouds: optimistic; only where every epoch was scored."""
    best_epoch: int | None = None
    """Number of that epoch; 1 is the first, and the earliest of equals is taken."""
