"""Train a classifier on labelled clouds, from a pre-trained encoder or from scratch, by the same recipe and seeds.

The projection or pretext head is gone; a fresh classifier reads the pooled feature. The accuracy after the last epoch
is the result. The best epoch was chosen on the clouds it is scored on: it stands beside, under its own name.
"""

import copy
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import final

import cattrs
import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from pointssl import files, progress
from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import mlp
from pointssl.data.augment import augment
from pointssl.data.batches import seed_of
from pointssl.data.cloud import Dataset
from pointssl.errors import DataError, TrainingStopped
from pointssl.evaluate.features import Reading, hash_of
from pointssl.evaluate.recipes import FinetuneConfig
from pointssl.ops.batch_rng import Draws
from pointssl.ops.classification import smoothed_cross_entropy
from pointssl.runs.weights import digest
from pointssl.train.optim import build_optimizer, learning_rate


@dataclass(frozen=True, slots=True)
class Labelled:
    """Clouds of a data set with the classes to learn, numbered from 0 without gaps or not."""

    dataset: Dataset
    index: Int64[np.ndarray, " m"]
    label: Int64[np.ndarray, " m"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finetuned:
    """What came out of one training."""

    last: float
    """Share of right test clouds after the last epoch."""
    best: float
    """The same after the epoch that did best on these very test clouds; an optimistic number."""
    best_epoch: int
    """1 is the first."""
    predictions: tuple[int, ...] = field(repr=False)
    """Class of every test cloud after the last epoch."""
    losses: tuple[float, ...] = field(repr=False)
    """Mean training loss of every epoch, in nats."""


@final
class Classifier(nn.Module):
    """An encoder and a small network on its pooled feature."""

    def __init__(self, backbone: Backbone, classes: int, config: FinetuneConfig) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = mlp((backbone.pooled_dim, *config.hidden, classes), config.dropout)

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b c"]:
        """Return the logits of every cloud."""
        logits: Tensor = self.head(self.backbone(xyz).pooled)
        return logits


def finetune(
    backbone: Backbone,
    train: Labelled,
    test: Labelled,
    classes: int,
    config: FinetuneConfig,
    reading: Reading,
    *,
    seed: int,
    title: str = "fine-tuning",
) -> Finetuned:
    """Train a copy of `backbone` with a fresh classifier; `seed` fixes order, points, augmentation, dropout and head.

    Raises `DataError` for fewer than two clouds and `TrainingStopped` when the loss is no longer finite.
    """
    if len(train.index) < 2 or len(test.index) == 0:
        message = f"fine-tuning needs at least 2 clouds to learn from and 1 to be scored on, got {len(train.index)}"
        raise DataError(f"{message} and {len(test.index)}")
    losses, accuracies, said = [], [], test.label
    with _own_randomness(reading.place, seed), progress.bar(title, config.epochs) as line:
        model = Classifier(copy.deepcopy(backbone), classes, config).to(reading.place)
        optimiser = build_optimizer(model, config.optim)
        for epoch in range(config.epochs):
            losses.append(_epoch(model, optimiser, train, config, reading, seed, epoch))
            said = predict(model, test, reading, seed=seed)
            accuracies.append(float((said == test.label).mean()))
            line.advance(note=f"loss {losses[-1]:.3f} accuracy {accuracies[-1]:.3f}")
    best = int(np.argmax(accuracies))
    return Finetuned(
        last=accuracies[-1],
        best=accuracies[best],
        best_epoch=best + 1,
        predictions=tuple(said.tolist()),
        losses=tuple(losses),
    )


def finetune_cached(
    backbone: Backbone,
    train: Labelled,
    test: Labelled,
    classes: int,
    config: FinetuneConfig,
    reading: Reading,
    folder: Path | None,
    *,
    seed: int,
    title: str = "fine-tuning",
) -> Finetuned:
    """Return `finetune(...)`, from `folder` where this arm, data, recipe and seed were finished before."""
    if folder is None:
        return finetune(backbone, train, test, classes, config, reading, seed=seed, title=title)
    data = [(part.dataset.fingerprint, part.index.tolist(), part.label.tolist()) for part in (train, test)]
    read = (reading.points, reading.normalise, reading.allow_repeats, reading.bf16)
    path = folder / f"{hash_of(digest(backbone), data, classes, config, read, seed)}.json"
    if path.is_file():
        return cattrs.structure(json.loads(path.read_text(encoding="utf-8")), Finetuned)
    result = finetune(backbone, train, test, classes, config, reading, seed=seed, title=title)
    files.write_json(path, asdict(result))
    return result


@torch.no_grad()
def predict(model: Classifier, test: Labelled, reading: Reading, *, seed: int) -> Int64[np.ndarray, " m"]:
    """Return the most likely class of every test cloud, in evaluation mode."""
    model.eval()
    said = []
    with reading.autocast():
        for chosen in np.split(test.index, range(reading.clouds, len(test.index), reading.clouds)):
            batch = reading.batch(test.dataset, chosen, seed).to(reading.place)
            said.append(model(batch.xyz).argmax(dim=1).cpu().numpy())
    return np.concatenate(said)


def _epoch(
    model: Classifier,
    optimiser: torch.optim.Optimizer,
    train: Labelled,
    config: FinetuneConfig,
    reading: Reading,
    seed: int,
    epoch: int,
) -> float:
    """Train for one pass and return the mean loss; order, points and augmentation follow from (seed, epoch)."""
    model.train()
    generator = torch.Generator().manual_seed(seed_of(seed, 0, epoch))
    order = torch.randperm(len(train.index), generator=generator).numpy()
    groups = np.split(order, range(config.batch_size, len(order), config.batch_size))
    if len(groups[-1]) == 1:  # batch norm has no variance for a batch of one
        groups.pop()
    optim = dataclasses.replace(config.optim, warmup_steps=config.warmup_epochs * len(groups))
    total, seen = 0.0, 0
    for step, rows in enumerate(groups, start=epoch * len(groups)):
        batch = reading.batch(train.dataset, train.index[rows], seed_of(seed, 1, epoch))
        xyz = augment(batch.xyz, config.augment, Draws(generator, len(batch.xyz))).to(reading.place)
        label = torch.from_numpy(train.label[rows]).to(reading.place)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(optim, step, config.epochs * len(groups), float(len(groups)))
        with reading.autocast():
            logits = model(xyz)
        loss = smoothed_cross_entropy(logits, label, config.label_smoothing)
        if not torch.isfinite(loss):
            raise TrainingStopped(
                f"fine-tuning diverged in epoch {epoch + 1}, the loss is {loss.item()}; lower optim.lr"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if optim.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), optim.clip)
        optimiser.step()
        total, seen = total + loss.item() * len(rows), seen + len(rows)
    return total / seen


@contextmanager
def _own_randomness(place: torch.device, seed: int) -> Iterator[None]:
    """Seed the head and the dropout without disturbing anyone else's random state."""
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
