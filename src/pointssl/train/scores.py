"""How a classifier does on clouds that it did not learn from."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from pointssl import progress
from pointssl.data.batches import stack
from pointssl.data.cloud import Dataset
from pointssl.data.splits import Splits
from pointssl.errors import RunError
from pointssl.runs.config import DataConfig
from pointssl.train.checks import resume_command
from pointssl.train.runtime import choose_device

CLOUDS = 32
"""Clouds that are scored at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How a classifier did on clouds it did not learn from, after its last epoch."""

    accuracy: float
    """Share of right clouds."""
    class_accuracy: float
    """Mean over the classes of the share of right clouds."""
    clouds: int
    learned_from: int
    """Clouds in training."""
    data: str
    fingerprint: str
    scored_on: str
    """`test`, or `validation` for clouds held out of the training clouds."""
    classes: list[str]
    labels: list[int]
    """Class of every cloud."""
    predictions: list[int]
    """What the classifier said, in the same order."""


def score(
    network: nn.Module,
    splits: Splits,
    data: DataConfig,
    *,
    classes: tuple[str, ...] = (),
    scored_on: str = "test",
    device: str | None = None,
) -> Scores:
    """Return how `network` does on the second part of `splits`, its clouds read as `data` says."""
    said, labels = predict(network, splits.test, data, device=device), splits.test_labels
    right = said == labels
    return Scores(
        accuracy=float(right.mean()),
        class_accuracy=float(np.mean([right[labels == c].mean() for c in np.unique(labels)])),
        clouds=len(labels),
        learned_from=len(splits.train),
        data=splits.test.name,
        fingerprint=splits.test.fingerprint,
        scored_on=scored_on,
        classes=list(classes),
        labels=labels.tolist(),
        predictions=said.tolist(),
    )


def read_scores(run: Path | str) -> Scores:
    """Return the scores of a finished run; raises `RunError` where there are none."""
    file = Path(run) / "scores.json"
    if not file.is_file():
        raise RunError(f"{run} has no scores yet; let it finish with: {resume_command(Path(run))}")
    return Scores(**json.loads(file.read_text(encoding="utf-8")))


@torch.no_grad()
def predict(
    network: nn.Module, dataset: Dataset, data: DataConfig, *, device: str | None = None, seed: int = 0
) -> Int64[np.ndarray, " m"]:
    """Return the most likely class of every cloud; the points are drawn by `seed`, the same for all networks.

    Raises `RunError` where logits are not finite.
    """
    place, said = choose_device(device), []
    network.to(place).eval()
    with progress.bar("scoring", len(dataset)) as line:
        for rows in np.split(np.arange(len(dataset)), range(CLOUDS, len(dataset), CLOUDS)):
            batch = stack(
                dataset, rows, data.points, seed=seed, normalise=data.normalise, allow_repeats=data.allow_repeats
            )
            logits = network(batch.xyz.to(place))
            if not logits.isfinite().all():
                raise RunError(f"the classifier's logits are NaN or infinite for clouds of {dataset.name}")
            said.append(logits.argmax(dim=1).cpu().numpy())
            line.advance(len(rows))
    return np.concatenate(said)
