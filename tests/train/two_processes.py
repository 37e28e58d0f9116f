"""Started by torchrun in `test_distributed`: trains on a network that treats clouds apart, keeps what each step did.

Usage: python -m tests.train.two_processes OUT CLOUDS_PER_PROCESS
"""

import sys
from pathlib import Path

import torch
from torch import nn

from pointssl.backbones import Backbone
from pointssl.backbones.layers import Dropout
from pointssl.data.augment import AugmentConfig
from pointssl.data.batches import Batches
from pointssl.data.reading import ReadConfig
from pointssl.methods import PretextMethod
from pointssl.runs.config import DataConfig, OptimConfig
from pointssl.runs.weights import write_tensors
from pointssl.train import loop
from pointssl.train.optim import build_optimizer
from pointssl.train.runtime import start
from pointssl.train.state import TrainingState
from pointssl.types import CloudBatch, Features, StepOutput
from tests.doubles import ToyClouds, tiny_config


class Apart(Backbone):
    """Two layers without batch norm, so that no cloud's features depend on another's."""

    point_dim, pooled_dim = 5, 5

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5))

    def forward(self, xyz: torch.Tensor) -> Features:
        points = self.layers(xyz)
        return Features(points=points, pooled=points.amax(dim=1))


class NearOrigin(PretextMethod):
    """Predicts the distance of each point from the origin; a mean over clouds, as losses are."""

    def __init__(self, backbone: Backbone, dropout: float = 0.4) -> None:
        super().__init__()
        self.backbone = backbone
        self.head, self.dropout = nn.Linear(10, 1), Dropout(dropout)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:  # noqa: ARG002
        features: Features = self.backbone(batch.xyz)
        joined = torch.cat([features.points, features.pooled[:, None].expand_as(features.points)], dim=-1)
        error = self.head(self.dropout(joined))[..., 0] - batch.xyz.norm(dim=-1)
        return StepOutput(loss=error.square().mean())


def main(out: Path, clouds: int) -> None:
    """Train three updates of two batches each."""
    optim = OptimConfig(accumulate=2, clip=0.5)
    augment = AugmentConfig(scale=(0.8, 1.2), jitter=0.01)
    config = tiny_config(
        optim=optim, data=DataConfig(reading=ReadConfig(points=24), batch_size=clouds, augment=augment)
    )
    with start("cpu") as runtime:
        torch.manual_seed(0)
        method = NearOrigin(Apart())
        state = TrainingState(method, build_optimizer(method, optim), None)
        batches = Batches(
            ToyClouds(clouds=24),
            batch=clouds,
            points=24,
            seed=0,
            rank=runtime.rank,
            world=runtime.world,
            augment=augment,
        )
        kept: dict[str, torch.Tensor] = {}
        for step in loop.run(state, batches, config, runtime, total=3):
            kept[f"loss.{step.index}"] = torch.tensor(step.loss)
            for name, parameter in method.named_parameters():
                assert parameter.grad is not None
                kept[f"gradient.{step.index}.{name}"] = parameter.grad.clone()
        kept |= {f"weight.{name}": parameter for name, parameter in method.named_parameters()}
        write_tensors(out / f"rank-{runtime.rank}.safetensors", kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
