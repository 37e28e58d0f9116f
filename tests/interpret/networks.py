"""Tiny classifiers, some with a structure that was planted and must be found, some that misbehave."""

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from pointssl.backbones import PointNet, PointNetConfig
from pointssl.backbones.layers import mlp
from pointssl.data.arrays import ArrayDataset


@final
class EncoderAndHead(nn.Module):
    """A tiny PointNet and a head, with running statistics that are not those of the start."""

    def __init__(
        self, classes: int = 3, seed: int = 0, *, activate: bool = False, head: nn.Module | None = None
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = PointNet(PointNetConfig(local=(8,), hidden=(12,), pooled_dim=20, activate_pooled=activate))
        self.head = head or mlp((20, 16, classes), 0.5)
        for _ in range(3):
            self(torch.rand(6, 40, 3) * 2 - 1)
        self.eval()

    def forward(self, xyz: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.backbone(xyz).pooled)
        return logits


@final
class Planted(nn.Module):
    """Says class 0 with log-odds `strength` where points of all `needed` places are there, else with log-odds 0."""

    def __init__(self, needed: Tensor, strength: float = 5.0) -> None:
        super().__init__()
        self.needed = nn.Buffer(needed)
        self.strength = strength

    def forward(self, xyz: Tensor) -> Tensor:
        """Return logits of two classes."""
        found = (torch.cdist(xyz, self.needed.expand(len(xyz), -1, -1)) < 1e-4).any(dim=1).all(dim=1)
        return torch.stack([self.strength * found, torch.zeros(len(xyz))], dim=1)


@final
class Counting(nn.Module):
    """Any function of a batch as a classifier; counts the clouds that it has seen."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function, self.seen = function, 0
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, xyz: Tensor) -> Tensor:
        """Return what the function says."""
        self.seen += len(xyz)
        logits: Tensor = self.function(xyz)
        return logits


def spread(xyz: Tensor) -> Tensor:
    """Return logits of three classes that depend on all points smoothly."""
    return torch.stack([xyz.square().mean(dim=(1, 2)), xyz[..., 2].exp().mean(dim=1), xyz[..., 0].std(dim=1)], dim=1)


def clouds(count: int = 6, points: int = 48, classes: int = 3, seed: int = 0) -> ArrayDataset:
    """Return labelled clouds of random points."""
    generator = np.random.default_rng(seed)
    return ArrayDataset(
        generator.uniform(-1, 1, (count, points, 3)).astype(np.float32),
        name="cubes/test",
        labels=np.arange(count) % classes,
        classes=tuple(f"class{k}" for k in range(classes)),
    )
