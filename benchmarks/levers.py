"""What lifts frozen features: recipes of a few minutes compared on validation data, before any of them is run long.

Every recipe is pre-trained on generated clouds and measured inside the TRAINING splits of three real sets: a linear SVM
on standardised features over three folds, and the nearest neighbour leaving one out, raw and whitened. Near-duplicates,
families and part numbers are never on both sides. The test splits are not opened. A finished recipe is not done again;
all that is finished is gathered into `results/levers.json`.

    POINTSSL_DATA=... python benchmarks/levers.py --recipes base turn-none edge-pointnet --clouds-seen 100000
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import torch
import tyro
from jaxtyping import Float32, Int64
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pointssl.backbones import Backbone, BackboneConfig, DGCNNConfig, EdgePointNetConfig, PointNetConfig, build_backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.data.augment import AugmentConfig
from pointssl.data.cloud import Dataset
from pointssl.data.reading import ReadConfig
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.methods import ContrastConfig, MethodConfig, ParAEConfig
from pointssl.ops.whitening import fit_whitening
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.layout import read_json
from pointssl.runs.run import load
from pointssl.train.pretrain import pretrain

RESULT = Path(__file__).resolve().parent.parent / "results" / "levers.json"
RUNS = Path("runs/levers")
SETS = ("psb-shrec12", "kicad-parts", "ldraw-parts")
CLOUDS = 800
"""Of each set, the same for all recipes."""
COSTS = (0.0003, 0.001, 0.01)
"""C of the SVM; the best of a recipe counts, so that all are a little too high alike."""


class Recipe(NamedTuple):
    """What is pre-trained on what, and how."""

    backbone: BackboneConfig
    method: MethodConfig
    source: str = "generated:unions"
    batch: int = 64
    lr: float = 1e-3
    points: int = 256


BASE = AugmentConfig(axis_scale=(2 / 3, 3 / 2), rotation="up", recentre=True, jitter=0.01, dropout=0.5, crop=0.3)
POINTNET, EDGES = PointNetConfig(), EdgePointNetConfig(edges=(32, 32), hidden=128)


def contrast(change: AugmentConfig = BASE, backbone: BackboneConfig = POINTNET, **rest: Any) -> Recipe:
    """Return a recipe that contrasts copies changed like this."""
    settings = {key: rest.pop(key) for key in ("temperature", "local_crops", "hidden", "dim") if key in rest}
    return Recipe(backbone, ContrastConfig(augment=change, **settings), **rest)


MILD = replace(BASE, axis_scale=(0.85, 1.18))
STILL = replace(MILD, rotation="none")
DETAILS = "cuts=0.4:frames=0.2:heights=0.4"
RECIPES: dict[str, Recipe] = {
    "base": contrast(),
    "mild-axis-scale": contrast(MILD),
    "no-axis-scale": contrast(replace(BASE, axis_scale=None)),
    "turn-none": contrast(replace(BASE, rotation="none")),
    "turn-full": contrast(replace(BASE, rotation="full")),
    "still": contrast(STILL),
    "larger-hole": contrast(replace(BASE, crop=0.6)),
    "region": contrast(replace(BASE, crop=0.0, region=(0.3, 1.0))),
    "no-hole": contrast(replace(BASE, crop=0.0)),
    "temperature-0.2": contrast(temperature=0.2),
    "temperature-0.05": contrast(temperature=0.05),
    "batch-256": contrast(batch=256, lr=2e-3),
    "local-crops": contrast(local_crops=2),
    "lr-3e-3": contrast(lr=3e-3),
    "superquadrics": contrast(source="generated:superquadrics"),
    "fractals": contrast(source="generated:fractals"),
    "all-formulas": contrast(source="mix:generated:unions=0.5,generated:superquadrics=0.25,generated:fractals=0.25"),
    "details": contrast(source=f"generated:unions:{DETAILS}"),
    "edge-pointnet-64-64-details": contrast(backbone=EdgePointNetConfig(), source=f"generated:unions:{DETAILS}"),
    "relu-before-max": contrast(backbone=PointNetConfig(activate_pooled=True)),
    "deep": contrast(backbone=PointNetConfig(local=(64, 64), hidden=(128, 256), pooled_dim=1024)),
    "edge-pointnet": contrast(backbone=EDGES),
    "edge-pointnet-still": contrast(STILL, backbone=EDGES),
    "edge-pointnet-mild": contrast(MILD, backbone=EDGES),
    "edge-pointnet-wide": contrast(backbone=EdgePointNetConfig(edges=(64, 64, 128), hidden=256)),
    "edge-pointnet-hidden-256": contrast(backbone=EdgePointNetConfig(edges=(32, 32))),
    "edge-pointnet-64-64": contrast(backbone=EdgePointNetConfig()),
    "edge-pointnet-3-edges": contrast(backbone=replace(EDGES, edges=(32, 32, 64))),
    "edge-pointnet-4-octaves": contrast(backbone=replace(EDGES, octaves=4)),
    "edge-pointnet-no-octaves": contrast(backbone=replace(EDGES, octaves=0)),
    "edge-pointnet-k-32": contrast(backbone=replace(EDGES, k=32)),
    "edge-pointnet-512-points": contrast(backbone=EDGES, points=512),
    "edge-pointnet-temperature-0.2": contrast(backbone=EDGES, temperature=0.2),
    "edge-pointnet-batch-256": contrast(backbone=EDGES, batch=256, lr=2e-3),
    "edge-pointnet-local-crops": contrast(backbone=EDGES, local_crops=2),
    "edge-pointnet-all-formulas": contrast(
        backbone=EDGES,
        source="mix:generated:unions=0.5,generated:superquadrics=0.25,generated:fractals=0.25",
    ),
    "dgcnn": contrast(backbone=DGCNNConfig(k=15)),
    "parae": Recipe(POINTNET, ParAEConfig(head=(128,))),
    "parae-held-out": Recipe(POINTNET, ParAEConfig(head=(128,), held_out=True)),
    "parae-z-only": Recipe(POINTNET, ParAEConfig(head=(512, 256, 128), point_features=False)),
    "parae-z-only-held-out": Recipe(POINTNET, ParAEConfig(head=(512, 256, 128), point_features=False, held_out=True)),
    "parae-z-only-512-points": Recipe(POINTNET, ParAEConfig(head=(512, 256, 128), point_features=False), points=512),
    "parae-edges": Recipe(EdgePointNetConfig(), ParAEConfig(head=(128,))),
    "parae-edges-z-only": Recipe(EdgePointNetConfig(), ParAEConfig(head=(512, 256, 128), point_features=False)),
}


@dataclass(frozen=True)
class Options:
    """What to compare."""

    recipes: tuple[str, ...] = tuple(RECIPES)
    """Names in `RECIPES`; `untrained:NAME` is the network of that recipe as it begins."""
    clouds_seen: int = 100_000
    """By every recipe."""
    seeds: tuple[int, ...] = (0,)
    """One run per seed."""


def main(options: Options) -> None:
    """Run what is not finished, one after the other, and gather."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    sets = {name: validation(name) for name in SETS}
    for name, seed in ((name, seed) for seed in options.seeds for name in options.recipes):
        done = RUNS / f"{name.replace(':', '-')}-{options.clouds_seen}-{seed}" / "measured.json"
        if not done.is_file():
            encoder = encoder_of(name, seed, options.clouds_seen, done.parent / "run")
            found = {key: measure(encoder, *one) for key, one in sets.items()}
            write_json(done, {"recipe": name, "seed": seed, "clouds_seen": options.clouds_seen, "sets": found})
        told(read_json(done))
    gather()


def encoder_of(name: str, seed: int, clouds_seen: int, run: Path) -> Backbone:
    """Return the network of a recipe, trained to its end, or as it begins."""
    recipe = RECIPES[name.removeprefix("untrained:")]
    if name.startswith("untrained:"):
        torch.manual_seed(seed)
        return build_backbone(recipe.backbone)
    reading = ReadConfig(points=recipe.points)
    config = PretrainConfig(
        method=recipe.method,
        backbone=recipe.backbone,
        data=DataConfig(source=recipe.source, split="all", reading=reading, batch_size=recipe.batch),
        optim=OptimConfig(kind="adam", lr=recipe.lr, schedule="cosine", warmup_steps=100, weight_decay=1e-6),
        precision="auto",
        clouds_seen=float(clouds_seen),
        checkpoint_every=200,
        seed=seed,
    )
    pretrain(config, run, resume=(run / "config.json").is_file())
    return load(run)


def validation(name: str) -> tuple[Dataset, Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
    """Return clouds of the training split of a set, their classes and the groups that stay together."""
    file = np.load(Path(os.environ["POINTSSL_DATA"]) / name / "clouds.npz")
    split = file["split"]
    train = np.flatnonzero(split == 0)
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:CLOUDS])
    named = {"psb-shrec12": "dup_group", "kicad-parts": "family", "ldraw-parts": "name"}[name]
    alone = [f"alone {row}" for row in chosen]  # a dup_group of -1 is no group
    words = [
        one if str(word) == "-1" else part_number(str(word))
        for word, one in zip(file[named][chosen], alone, strict=True)
    ]
    _, groups = np.unique(words, return_inverse=True)
    points = (file["points"][chosen] / 1024.0).astype(np.float32)
    return ArrayDataset(points, name=name), file["label"][chosen].astype(np.int64), groups.astype(np.int64)


def part_number(word: str) -> str:
    """Return the part number that a name of LDraw begins with, so that variants stay together; else the word."""
    found = re.match(r"[a-z]?\d+", word)
    return found[0] if found and "|" not in word else word


def measure(
    encoder: Backbone, clouds: Dataset, labels: Int64[np.ndarray, " m"], groups: Int64[np.ndarray, " m"]
) -> dict[str, float]:
    """Return accuracies of the frozen features of one set, as shares."""
    features = encode(encoder, clouds, EncodeConfig(reading=ReadConfig(points=1024)))
    folds = list(GroupKFold(3).split(features, labels, groups))
    return {
        "svm": max(float(np.mean(list(fitted(features, labels, folds, cost)))) for cost in COSTS),
        "nearest": nearest(features, labels, groups),
        "nearest_whitened": nearest(fit_whitening(features)(features), labels, groups),
    }


def fitted(
    features: Float32[np.ndarray, "m d"], labels: Int64[np.ndarray, " m"], folds: list[Any], cost: float
) -> Iterator[float]:
    """Yield whether each left-out cloud is classified right by a linear SVM on standardised features."""
    for train, left in folds:
        model = make_pipeline(StandardScaler(), SVC(kernel="linear", C=cost))
        model.fit(features[train], labels[train])
        yield from (model.predict(features[left]) == labels[left]).astype(float)


def nearest(
    features: Float32[np.ndarray, "m d"], labels: Int64[np.ndarray, " m"], groups: Int64[np.ndarray, " m"]
) -> float:
    """Return how often the most similar cloud of another group is of the same class."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    cosine[groups[:, None] == groups[None]] = -np.inf
    return float((labels[cosine.argmax(axis=1)] == labels).mean())


def told(found: dict[str, Any]) -> None:
    """Print one recipe: of every set SVM / nearest / nearest whitened, and their means."""
    kinds = ("svm", "nearest", "nearest_whitened")
    cells = [[100 * found["sets"][name][kind] for kind in kinds] for name in SETS]
    shown = " | ".join(" ".join(f"{value:5.1f}" for value in row) for row in [*cells, np.mean(cells, axis=0)])
    print(f"{found['recipe']:24} {found['clouds_seen']:8} {found['seed']} {shown}", flush=True)


def gather() -> None:
    """Write all that is finished, by clouds seen and recipe."""
    found = [read_json(path) for path in sorted(RUNS.glob("*/measured.json"))]
    settings = {
        "command": "python benchmarks/levers.py",
        "recipes": {name: repr(RECIPES[name]) for name in RECIPES},
        "versions": versions(),
    }
    write_json(RESULT, settings | {"rows": found})


if __name__ == "__main__":
    main(tyro.cli(Options))
