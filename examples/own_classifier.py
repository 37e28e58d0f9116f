"""Which structures does a classifier of one's own use? Any module from clouds to logits will do."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.interpret import InteractConfig, interact, profile
from pointssl.interpret.comparison import compare_networks
from pointssl.show.interactions import page

data = open_dataset("synthetic:72")


class MyClassifier(nn.Module):
    """Ten lines that know nothing of pointssl: (clouds, points, 3) in, (clouds, classes) out."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 32))
        self.classes = nn.Linear(32, len(data.classes))

    def forward(self, xyz: Tensor) -> Tensor:
        """Score every class."""
        scores: Tensor = self.classes(self.points(xyz).mean(dim=1))
        return scores


torch.manual_seed(0)
tables = interact({"mine": MyClassifier()}, data, InteractConfig(clouds=6, regions=6, reading=ReadConfig(points=128)))
found = profile(tables["mine"])
print("strength of the orders 1 to 6:", ", ".join(f"{band.mean:.2f}" for band in found.share_of_effect))
with tempfile.TemporaryDirectory() as folder:
    print("page:", page.write(compare_networks(list(tables.values())), Path(folder)).name)
