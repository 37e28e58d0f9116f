"""One vector per cloud for arrays in memory, inside a scikit-learn pipeline."""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pointssl
from pointssl.backbones import PointNetConfig
from pointssl.data.reading import ReadConfig
from pointssl.methods import ParAEConfig
from pointssl.runs.config import DataConfig

generator = np.random.default_rng(0)
sides = [np.array([1.0, 0.3, 0.1]), np.array([1.0, 0.9, 0.8])]
clouds = [generator.uniform(-1, 1, (generator.integers(200, 400), 3)) * sides[i % 2] for i in range(40)]
labels = [i % 2 for i in range(40)]

settings = pointssl.PretrainConfig(
    method=ParAEConfig(components=8, head=(32,)),
    backbone=PointNetConfig(local=(32,), hidden=(32,), pooled_dim=64),
    data=DataConfig(source="synthetic:48", reading=ReadConfig(points=128), batch_size=8),
    steps=10,
)
with tempfile.TemporaryDirectory() as folder:
    run = pointssl.pretrain(settings, Path(folder) / "run")  # or any run, or a model on the hub
    model = make_pipeline(pointssl.PointEmbedder(run), StandardScaler(), KNeighborsClassifier(3))
    model.fit(clouds[:20], labels[:20])
    print("embedded:", model[0].transform(clouds[20:]).shape)
    print(f"right: {model.score(clouds[20:], labels[20:]):.2f}")
