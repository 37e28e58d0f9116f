"""Pre-train a network of one's own with ParAE: anything that gives a vector per point will do."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import pointssl
from pointssl.data.reading import ReadConfig
from pointssl.methods import ParAEConfig
from pointssl.runs.config import DataConfig


class MyNetwork(nn.Module):
    """Ten lines that know nothing of pointssl: (clouds, points, 3) in, (clouds, points, 32) out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 32))

    def forward(self, xyz: Tensor) -> Tensor:
        """Give every point a feature."""
        features: Tensor = self.layers(xyz)
        return features


encoder = pointssl.Adapted(MyNetwork(), point_dim=32, pooled_dim=64)
settings = pointssl.PretrainConfig(
    method=ParAEConfig(components=8, head=(32,)),
    data=DataConfig(source="synthetic:48", reading=ReadConfig(points=128), batch_size=8),
    steps=10,
)
with tempfile.TemporaryDirectory() as folder:
    run = pointssl.pretrain(settings, Path(folder) / "run", backbone=encoder)
    # A network that was passed as an object is passed again to whatever opens the run.
    again = pointssl.load(run, backbone=encoder)
print("pooled features:", tuple(again(torch.randn(2, 128, 3)).pooled.shape))
