"""A folder of files, from packing to a measured encoder."""

import tempfile
from pathlib import Path

import numpy as np

import pointssl
from pointssl.backbones import PointNetConfig
from pointssl.data.reading import ReadConfig
from pointssl.methods import ParAEConfig
from pointssl.runs.config import DataConfig

with tempfile.TemporaryDirectory() as temporary:
    folder, generator = Path(temporary), np.random.default_rng(0)
    for number in range(40):  # stands for one's own files: shapes/CLASS/*.ply, .off, .las, ...
        kind, sides = [("plank", (1.0, 0.3, 0.1)), ("block", (1.0, 0.9, 0.8))][number % 2]
        (folder / "shapes" / kind).mkdir(parents=True, exist_ok=True)
        points = generator.uniform(-1, 1, (300, 3)) * sides
        np.savetxt(folder / "shapes" / kind / f"{number}.xyz", points, fmt="%.4f")

    pointssl.pack(folder / "shapes", folder / "store", workers=1)
    print("unfit for training:", pointssl.check(folder / "store", needed_points=128).fatal)

    settings = pointssl.PretrainConfig(
        method=ParAEConfig(components=8, head=(32,)),
        backbone=PointNetConfig(local=(32,), hidden=(32,), pooled_dim=64),
        data=DataConfig(source=str(folder / "store"), reading=ReadConfig(points=128), batch_size=8),
        steps=20,
    )
    run = pointssl.pretrain(settings, folder / "run")
    for score in pointssl.evaluate(run, str(folder / "store"), protocols=("svm-cv",), seeds=(0,)).scores:
        print(f"{score.protocol} {score.arm}: {score.accuracy.mean:.2f}")
