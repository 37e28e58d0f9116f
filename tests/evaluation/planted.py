"""Planted worlds: an encoder that sees where a cloud lies, one that sees nothing, and data whose score is known.

A class has its own place, three apart from the others. Every protocol that learns from the clouds it should learn from,
and is scored on those it should be scored on, gives the planted score; from any other clouds it gives another one. The
blind encoder predicts one class for all clouds, which is right for one class in three.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.data.augment import AugmentConfig
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.features import EncodeConfig
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.evaluation.record import Arm
from pointssl.methods import ClassifyConfig
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig

CLASSES = ("a", "b", "c")
CHANCE = 1 / 3
PLACES = 3.0 * np.eye(3)

RECIPE = PretrainConfig(
    method=ClassifyConfig(hidden=(), dropout=0.0),
    data=DataConfig(batch_size=16, workers=0, augment=AugmentConfig()),
    optim=OptimConfig(kind="adam", lr=0.1),
    steps=30,
    monitor_every=0,
)
"""A linear classifier, trained for long enough to learn three places by heart."""


@final
class Mean(Backbone):
    """Pooled feature: the mean point of the cloud, times a weight that can be trained."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.point_dim, self.pooled_dim, self.min_points = 3, 3, 1
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Any:
        from pointssl.types import Features

        return Features(points=xyz, pooled=xyz.mean(dim=1) * self.weight)


def blind() -> Backbone:
    """Return an encoder to which all clouds are one."""
    encoder = Mean(0.0)
    encoder.weight.requires_grad_(False)
    return encoder


def points(rows: Float[np.ndarray, "m 3"]) -> Float32[np.ndarray, "m 4 3"]:
    """Return four points around every row, of which it is the mean."""
    around = 0.25 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    made: Float32[np.ndarray, "m 4 3"] = (np.asarray(rows)[:, None] + around).astype(np.float32)
    return made


def features(rows: Float[np.ndarray, "m 3"]) -> Float32[np.ndarray, "m 3"]:
    """Return what `Mean` makes of those clouds, rounding included."""
    made: Float32[np.ndarray, "m 3"] = torch.from_numpy(points(rows)).mean(dim=1).numpy()
    return made


def clouds(rows: Float[np.ndarray, "m 3"], labels: Sequence[int] | Int64[np.ndarray, " m"], name: str) -> ArrayDataset:
    """Return clouds whose means are the rows."""
    return ArrayDataset(points(rows), name=name, classes=CLASSES, labels=np.asarray(labels))


def placed(counts: Sequence[tuple[int, int]], name: str) -> ArrayDataset:
    """Return clouds of every class in turn: `counts` are (how many, how many places further than its own)."""
    labels = np.concatenate([np.full(count, c) for c in range(3) for count, _ in counts])
    steps = np.concatenate([np.full(count, step) for _ in range(3) for count, step in counts])
    return clouds(PLACES[(labels + steps) % 3], labels, name)


def context(
    train: ArrayDataset,
    test: ArrayDataset,
    *,
    arms: dict[Arm, Callable[[int], Backbone]] | None = None,
    cache: Path | None = None,
    **changes: Any,
) -> EvaluationContext:
    """Return a context on two sets, with clouds read as they are."""
    settings: dict[str, Any] = {
        "seeds": (0,),
        "finetune": RECIPE,
        "few_shot_finetune": RECIPE,
        "few_shot": FewShotConfig(ways=(3,), shots=(4,), queries=10, episodes=2),
        "fractions": (0.1, 1.0),
        "subsets": 2,
    }
    return EvaluationContext(
        arms=arms or {"pretrained": lambda _: Mean(), "untrained": lambda _: blind()},
        splits=open_splits((train, test)),
        encode=EncodeConfig(reading=ReadConfig(points=4, normalise=False)),
        cache=cache,
        **(settings | changes),
    )
