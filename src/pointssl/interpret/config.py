"""The settings of a measurement of interactions."""

from dataclasses import dataclass, field
from typing import Literal

from pointssl.data.reading import ReadConfig
from pointssl.ops.games.coalitions import Masking, Score
from pointssl.runs.device import choose_device
from pointssl.settings import require_finite

MOST_EXACT = 16
"""Most regions whose 2^n coalitions are all tried; beyond, see `sampled`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractConfig:
    """What is measured, on how many clouds, and how masked clouds are made."""

    clouds: int = 200
    """Clouds to measure on, as many of each class as there are; all, where there are fewer."""
    regions: int = 10
    """Regions of a cloud, the players; all 2^regions coalitions are tried up to 16."""
    segmentation: Literal["farthest", "parts"] = "farthest"
    """`farthest` cuts regions around points that lie far apart, `parts` takes the data's own part labels."""
    reading: ReadConfig = field(default_factory=ReadConfig)
    """How clouds are read, their points drawn by the seed."""
    masking: Masking = "mean"
    """Where the points of absent regions go: the cloud's mean, the nearest kept point, or kept points again."""
    score: Score = "log_odds"
    """What is explained: log-odds or log p of a class in nats, or its bare logit."""
    target: Literal["true", "predicted"] = "true"
    """Class whose score is explained: the cloud's own, or what the network says of the whole cloud."""
    seed: int = 0
    """Decides which clouds and which of their points."""
    batch: int | None = None
    """Masked clouds per forward pass, where they are really made; when not given 128 on a GPU, and 16 on a CPU."""
    max_pooled: bool = True
    """Use that a network pools by max, where it does: the same values without making the masked clouds."""
    device: str | None = None
    """Such as cpu or cuda:1; the GPU where there is one when not given."""

    def __post_init__(self) -> None:
        require_finite(self)
        choose_device(self.device)  # told before the work
        for name, value in (("clouds", self.clouds), ("batch", self.batch)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.regions < 2:
            raise ValueError(f"regions must be at least 2, got {self.regions}")
        if self.segmentation == "farthest" and self.regions > self.reading.points:
            raise ValueError(
                f"regions must be at most the number of points ({self.reading.points}), got {self.regions}; "
                "take fewer regions or more points"
            )

    @property
    def masked(self) -> int:
        """Masked clouds per forward pass."""
        return self.batch or (16 if choose_device(self.device).type == "cpu" else 128)
