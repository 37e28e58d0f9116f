"""Small stand-ins that tests of several layers share: clouds without a file, and a run of a few hundred weights."""

import hashlib
from typing import Any

import numpy as np

from pointssl.backbones import PointNetConfig
from pointssl.data.cloud import Cloud, Labels, Points
from pointssl.data.reading import ReadConfig
from pointssl.methods import ParAEConfig
from pointssl.runs.config import DataConfig, PretrainConfig


class ToyClouds:
    """Clouds in memory: noise around a few centres, as many points each as asked for."""

    def __init__(self, clouds: int = 16, points: int = 48, seed: int = 0, classes: int = 2) -> None:
        random = np.random.default_rng(seed)
        self.points = [_blobs(random, points) for _ in range(clouds)]
        self._labels = np.arange(clouds, dtype=np.int64) % classes

    @property
    def name(self) -> str:
        return "toy"

    @property
    def classes(self) -> tuple[str, ...]:
        return ("a", "b")

    @property
    def labels(self) -> Labels | None:
        return self._labels

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(b"".join(points.tobytes() for points in self.points)).hexdigest()

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Cloud:
        return Cloud(points=self.xyz(index), label=int(self._labels[index]))

    def xyz(self, index: int) -> Points:
        return self.points[index]


def _blobs(random: np.random.Generator, points: int) -> Points:
    centres = random.normal(size=(4, 3))
    return (centres[random.integers(4, size=points)] + 0.1 * random.normal(size=(points, 3))).astype(np.float32)


def tiny_config(**changes: Any) -> PretrainConfig:
    """Return settings of a run that takes milliseconds a step: 6 steps of 4 clouds of 24 points."""
    small: dict[str, Any] = {
        "method": ParAEConfig(components=3, head=(8,)),
        "backbone": PointNetConfig(local=(6,), hidden=(8,), pooled_dim=10),
        "data": DataConfig(reading=ReadConfig(points=24), batch_size=4),
        "steps": 6,
        "checkpoint_every": 2,
        "log_every": 1,
        "monitor_every": 3,
    }
    return PretrainConfig(**(small | changes))
