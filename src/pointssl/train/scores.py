"""How a classifier does on clouds that it did not learn from."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from pointssl import progress
from pointssl.data.cloud import Dataset
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import Splits
from pointssl.errors import RunError, SettingError
from pointssl.runs import layout, strict_json
from pointssl.runs.device import choose_device
from pointssl.runs.run import Run

BATCH_SIZE = 32
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
    """Predicted class of every cloud, in the same order."""
    best_accuracy: float | None = None
    """Accuracy after the epoch that did best on these very clouds: optimistic; only where every epoch was scored."""
    best_epoch: int | None = None
    """Number of that epoch; 1 is the first, and the earliest of equals is taken."""


def score(
    network: nn.Module,
    splits: Splits,
    reading: ReadConfig,
    *,
    classes: tuple[str, ...] = (),
    scored_on: str = "test",
    epochs: list[float] | None = None,
    device: str | None = None,
) -> Scores:
    """Return how `network` does on the second part of `splits`, its clouds read as `reading` says.

    `epochs` are the accuracies after every epoch, where they were measured.
    """
    predictions, labels = predict(network, splits.test, reading, device=device), splits.test_labels
    right = predictions == labels
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
        predictions=predictions.tolist(),
        best_accuracy=max(epochs) if epochs else None,
        best_epoch=1 + int(np.argmax(epochs)) if epochs else None,
    )


def read_scores(run: Path | str) -> Scores:
    """Return the scores of a finished run; raises `RunError` where there are none or they are damaged."""
    file = Path(run) / layout.SCORES
    how = Run.open(run).resume_command
    if not file.is_file():
        raise RunError(f"{run} has no scores yet; let it finish with: {how}")
    try:
        return strict_json.structure(layout.read_json(file), Scores, str(file))
    except SettingError as error:
        raise RunError(f"{error}; delete the file and score again with: {how}") from error


@torch.no_grad()
def predict(
    network: nn.Module,
    dataset: Dataset,
    reading: ReadConfig,
    *,
    device: str | None = None,
    seed: int = 0,
    progress_bar: bool = True,
) -> Int64[np.ndarray, " m"]:
    """Return the most likely class of every cloud; the points are drawn by `seed`, the same for all networks.

    In evaluation mode; the network is left on `device` and in the mode that it came in. Raises `RunError` where logits
    are not finite.
    """
    chosen, predictions, was_training = choose_device(device), [], network.training
    network.to(chosen).eval()
    with progress.bar("scoring", len(dataset)) if progress_bar else nullcontext() as line:
        for rows in np.split(np.arange(len(dataset)), range(BATCH_SIZE, len(dataset), BATCH_SIZE)):
            batch = reading.batch(dataset, rows, seed=seed)
            logits = network(batch.xyz.to(chosen))
            if not logits.isfinite().all():
                raise RunError(f"the classifier's logits are NaN or infinite for clouds of {dataset.name}")
            predictions.append(logits.argmax(dim=1).cpu().numpy())
            if line is not None:
                line.advance(len(rows))
    network.train(was_training)
    return np.concatenate(predictions)
