"""An encoder and data small enough to know every number of."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.types import Features


@final
class Extent(Backbone):
    """Pooled feature: largest x, y, z and -x, -y, -z of the cloud, times a weight; ignores the order of points."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.point_dim, self.pooled_dim, self.min_points = 3, 6, 2
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        both = torch.cat([xyz, -xyz], dim=-1) * self.weight
        return Features(points=xyz, pooled=both.amax(dim=1))


def boxes(
    counts: tuple[int, ...], *, seed: int = 0, points: int = 64, name: str = "boxes/train", noise: float = 0.15
) -> ArrayDataset:
    """Clouds in boxes; class c has its own proportions, so that `Extent` tells the classes apart."""
    generator = np.random.default_rng(seed)
    shapes = np.array(
        [[1.0, 0.2, 0.2], [0.2, 1.0, 0.2], [0.2, 0.2, 1.0], [1.0, 1.0, 0.2], [1.0, 0.6, 0.6], [0.3, 1, 1]]
    )
    labels = np.repeat(np.arange(len(counts)), counts)
    sides = shapes[labels] * generator.uniform(1 - noise, 1 + noise, size=(len(labels), 3))
    clouds = generator.uniform(-1, 1, size=(len(labels), points, 3)) * sides[:, None]
    names = [f"{name}-{i}" for i in range(len(labels))]
    classes = [f"box{c}" for c in range(len(counts))]
    return ArrayDataset(clouds.astype(np.float32), name=name, classes=classes, labels=labels, names=names)


def blobs(
    classes: int, each: int, *, seed: int = 0, dim: int = 5, spread: float = 1.0
) -> tuple[Float[np.ndarray, "m d"], np.ndarray]:
    """Features around one centre per class, in random order."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, dim)) * 2
    labels = generator.permutation(np.repeat(np.arange(classes), each))
    rows = centres[labels] + spread * generator.normal(size=(len(labels), dim))
    return rows.astype(np.float32), labels
