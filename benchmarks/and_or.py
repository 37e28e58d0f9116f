"""How long does the AND-OR decomposition of one cloud take, and how much does it leave of the even split's sum?

Games of 20 planted interactions, tables of a PointNet with a random head (generated shapes), and pure chance, which has
no structure to find and is the slowest.

python benchmarks/and_or.py        # writes results/and-or.json; a few minutes of one thread
"""

import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pointssl import open_dataset
from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.backbones.layers import mlp
from pointssl.data.reading import ReadConfig
from pointssl.files import write_json
from pointssl.interpret import InteractConfig, interact
from pointssl.methods.classify import CloudClassifier
from pointssl.ops.games.and_or import and_or
from pointssl.ops.games.dividends import moebius, or_moebius, or_zeta, zeta

RESULT = Path(__file__).resolve().parent.parent / "results" / "and-or.json"
CLOUDS = 2
PLANTED = 20


def planted(regions: int) -> torch.Tensor:
    """Return games of few interactions of both kinds."""
    generator = np.random.default_rng(regions)
    tables = torch.zeros(2, CLOUDS, 1 << regions, dtype=torch.float64)
    for row in range(CLOUDS):
        for place in generator.choice(np.arange(1, 1 << regions), size=PLANTED, replace=False):
            tables[int(generator.integers(2)), row, place] = generator.normal()
    return zeta(tables[0]) + or_zeta(tables[1])


def of_network(regions: int) -> torch.Tensor:
    """Return the values of a PointNet with random weights."""
    data = open_dataset("synthetic:8")
    torch.manual_seed(0)
    backbone = build_backbone(PointNetConfig())
    head = mlp((backbone.pooled_dim, 64, len(data.classes)), 0.0)
    network = CloudClassifier(backbone, head, data.classes)
    config = InteractConfig(clouds=CLOUDS, regions=regions, reading=ReadConfig(points=256), device="cpu")
    return interact({"pointnet": network}, data, config)["pointnet"].values()


def chance(regions: int) -> torch.Tensor:
    """Return normal values for every coalition."""
    return torch.randn(CLOUDS, 1 << regions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def main() -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for game, make in {"20 planted": planted, "PointNet, random weights": of_network, "chance": chance}.items():
        for regions in (8, 10, 12):
            v = make(regions)
            began = time.perf_counter()
            found = [and_or(row[None]) for row in v]
            seconds = (time.perf_counter() - began) / CLOUDS
            even = (moebius(v)[:, 1:].abs().sum() + or_moebius(v)[:, 1:].abs().sum()) / 2
            size = sum(float(one.size()) for one in found)
            gap = max(float(one.gap) for one in found)
            rows.append(
                {"game": game, "regions": regions, "seconds": seconds, "gap": gap, "of_even_split": size / float(even)}
            )
            print(rows[-1], flush=True)
    about = {"threads": 1, "processor": platform.processor() or platform.machine(), "torch": torch.__version__}
    write_json(RESULT, {"command": " ".join(["python", *sys.argv]), "clouds": CLOUDS, "about": about, "rows": rows})


if __name__ == "__main__":
    main()
