"""What a run keeps of how it did on clouds that it did not learn from: `run/scores.json`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PointScores:
    """How a segmenter did on clouds it did not learn from, after its last epoch; every stored point is scored."""

    accuracy: float
    """Share of right points."""
    mean_accuracy: float
    """Mean over the parts that occur of the share of right points."""
    miou: float
    """Mean intersection over union of the parts that occur or are predicted, from one matrix over all points."""
    instance_miou: float | None
    """Mean over clouds of the mean over the parts of their class, absent and not predicted counting 1; None where
    clouds have no classes."""
    class_miou: float | None
    """The same, averaged within each class of clouds first."""
    parts: list[str]
    """Names, in the order of the matrix."""
    ious: list[float | None]
    """Of each part; None for one that neither occurs nor is predicted."""
    confusion: list[list[int]]
    """Points of each part (rows) by what they were predicted to be (columns)."""
    clouds: int
    points: int
    """That have a label."""
    votes: int
    """Passes over every cloud whose probabilities were averaged."""
    learned_from: int
    """Clouds in training."""
    data: str
    fingerprint: str
    scored_on: str
    """`test`, or `validation` for clouds held out of the training clouds."""
    per_cloud: list[float]
    """Mean intersection over union of each cloud: over the parts of its class, or of those that occur in it."""
    best_miou: float | None = None
    """After the epoch that did best on these very clouds: optimistic; only where every epoch was scored."""
    best_epoch: int | None = None
    """Number of that epoch; 1 is the first, and the earliest of equals is taken."""
