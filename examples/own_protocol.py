"""Measure an encoder by a protocol of one's own: how often is the nearest class mean the right one?"""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import pointssl
from pointssl.evaluation.probe import Fitted
from pointssl.evaluation.protocols import Protocol, on_features


def predict(train: np.ndarray, labels: np.ndarray, test: np.ndarray, _: int) -> Fitted:
    """Return the class whose mean training feature is nearest to each test cloud's; the seed is not needed."""
    means = np.stack([train[labels == label].mean(axis=0) for label in np.unique(labels)])
    distance = np.square(test[:, None] - means).sum(axis=2)
    return Fitted(predictions=np.unique(labels)[distance.argmin(axis=1)])


nearest_mean = Protocol(
    name="nearest-mean",
    title="Nearest class mean",
    rule="the class whose mean feature is nearest",
    reads="features of the training split; scored on the test split",
    repeated="seeds",
    run=partial(on_features, "nearest-mean", "the class whose mean feature is nearest", predict),
)
settings = replace(pointssl.RECIPES["parae-tiny"], steps=5)
with tempfile.TemporaryDirectory() as folder:
    run = pointssl.pretrain(settings, Path(folder) / "run", data="synthetic:60")
    found = pointssl.evaluate(run, "synthetic:60", protocols=(nearest_mean, "knn-1"), seeds=(0,))
for score in found.scores:
    print(f"{score.protocol} {score.arm}: {score.accuracy.mean:.2f}")
