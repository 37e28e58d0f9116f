"""Which settings of ParAE serve a linear probe? Asked of a validation part of the training clouds, not of the test.

A fifth of `psb-shrec12`'s training clouds, near-duplicates kept together, is held out; every variant is pre-trained on
the rest and scored by a linear SVM from the rest to the held-out part, and by cross-validation inside the rest. Beside
the scores stand the likelihood and how much of it the pooled feature earns: the same partition head, given the mean
pooled feature of all clouds in place of each cloud's own, knows nothing of the shape.

    POINTSSL_DATA=... python benchmarks/parae_choices.py --variants base components-8
"""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import torch
import tyro

from pointssl.app.recipes import recipe
from pointssl.backbones import PointNetConfig
from pointssl.data.batches import stack
from pointssl.data.cloud import Dataset
from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import Subset
from pointssl.evaluation.suite import evaluate
from pointssl.files import write_json
from pointssl.methods import ParAE, ParAEConfig
from pointssl.ops import mixture
from pointssl.runs.checkpoint import latest, step_of
from pointssl.runs.config import DataConfig, PretrainConfig
from pointssl.runs.run import Run
from pointssl.train.pretrain import pretrain
from pointssl.types import Features

BASE = replace(
    recipe("parae-pointnet"),
    data=DataConfig(source="psb-shrec12", reading=ReadConfig(points=512), split="train", batch_size=32),
    epochs=6.0,
)
"""The recipe at half the points and six epochs: minutes instead of half hours, the same order of variants."""

VARIANTS: dict[str, PretrainConfig] = {
    "base": BASE,
    "components-8": replace(BASE, method=ParAEConfig(components=8)),
    "components-128": replace(BASE, method=ParAEConfig(components=128)),
    "head-128": replace(BASE, method=ParAEConfig(head=(128,))),
    "points-1024": replace(BASE, data=replace(BASE.data, reading=ReadConfig(points=1024))),
    "batch-8": replace(BASE, data=replace(BASE.data, batch_size=8)),
    "lr-3e-3": replace(BASE, optim=replace(BASE.optim, lr=3e-3)),
    "lr-3e-4": replace(BASE, optim=replace(BASE.optim, lr=3e-4)),
    "deeper": replace(BASE, backbone=PointNetConfig(local=(64, 64), hidden=(128, 256))),
    "relu-pooled": replace(BASE, backbone=PointNetConfig(activate_pooled=True)),
    "epochs-25": replace(BASE, epochs=25.0),
}


@dataclass(frozen=True)
class Options:
    """What to run."""

    variants: tuple[str, ...] = tuple(VARIANTS)
    """Names of variants."""
    seed: int = 0
    """Of the weights, the batches and the validation part."""


def main(options: Options) -> None:
    """Train and score every variant, and add it to `results/parae-choices.json`."""
    source = Path(os.environ["POINTSSL_DATA"]) / "psb-shrec12"
    train = open_dataset(str(source), "train")
    fit, held = validation_part(train, source, options.seed)
    rows: list[dict[str, Any]] = []
    for name in options.variants:
        config = replace(VARIANTS[name], seed=options.seed)
        run = Path("runs/parae-choices") / f"{name}-{options.seed}"
        pretrain(config, run, data=fit, resume=(run / "config.json").is_file())
        scores = evaluate(run, (fit, held), protocols=("svm-cv-wide", "svm-cv-standardised"), seeds=(0, 1, 2))
        method, last = Run.open(run).method(), latest(run)
        assert last is not None
        assert isinstance(method, ParAE)
        rows.append(
            {
                "variant": name,
                "seed": options.seed,
                "steps": step_of(last),
                "scores": {f"{s.protocol}, {s.arm}": asdict(s.accuracy) for s in scores.scores},
                **use_of_pooled(method, held),
            }
        )
        print(name, {key: round(value["mean"], 3) for key, value in rows[-1]["scores"].items()}, rows[-1], flush=True)
    write_json(Path(__file__).resolve().parents[1] / "results" / "parae-choices.json", {"rows": rows})


def validation_part(train: Dataset, source: Path, seed: int) -> tuple[Subset, Subset]:
    """Hold out a fifth of every class; clouds of one `dup_group` stay on one side."""
    with np.load(source / "clouds.npz") as file:
        groups = file["dup_group"][file["split"] == 0]
    group = np.where(groups >= 0, groups, groups.max() + 1 + np.arange(len(groups)))
    labels, generator = train.labels, np.random.default_rng(seed)
    assert labels is not None
    held: list[int] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        chosen: list[int] = []
        for one in generator.permutation(np.unique(group[members])):
            if len(chosen) >= round(0.2 * len(members)):
                break
            chosen += members[group[members] == one].tolist()
        held += chosen
    part = np.unique(held).astype(np.int64)
    rest = np.setdiff1d(np.arange(len(train)), part).astype(np.int64)
    return Subset(train, rest, "psb-shrec12/fit"), Subset(train, part, "psb-shrec12/validation")


@torch.no_grad()
def use_of_pooled(method: ParAE, clouds: Dataset) -> dict[str, float]:
    """Return the likelihood with each cloud's own pooled feature, and with the mean one, in nats per point."""
    batch = stack(clouds, range(len(clouds)), 1024)
    features: Features = method.backbone(batch.xyz)
    mean = features.pooled.mean(dim=0, keepdim=True).expand_as(features.pooled)
    found = {}
    for name, pooled in (("nll", features.pooled), ("nll_mean_pooled", mean)):
        fitted = method.fit_assignment(batch.xyz, method.head(Features(features.points, pooled)).softmax(dim=-1))
        found[name] = -float(mixture.log_density(batch.xyz, fitted).mean())
        found[f"{name}_components"] = float(mixture.effective_components(fitted.weight).mean())
    centred = features.pooled - features.pooled.mean(dim=0)
    share = torch.linalg.svdvals(centred)
    found["effective_rank"] = float(torch.special.entr(share / share.sum()).sum().exp())
    return found


if __name__ == "__main__":
    main(tyro.cli(Options))
