"""How a classifier does on clouds that it did not learn from."""

from contextlib import nullcontext

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn

from pointssl import progress
from pointssl.data.cloud import Dataset
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import Splits
from pointssl.errors import RunError
from pointssl.runs.device import choose_device
from pointssl.runs.scores import Scores

BATCH_SIZE = 32
"""Clouds that are scored at once."""


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
