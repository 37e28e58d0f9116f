"""Linear probes of MM-Point, CrossPoint, ParAE and untrained networks, all on the same clouds, views and epochs.

Pre-trains without labels on the training clouds of `psb-shrec12`, with views of its meshes, and scores the frozen
encoders of the last epoch on its test clouds, on `bimnet10` and on the categories of `psb-segmentation`. What is
finished lies in `runs/pretext/` and is not done again, so that several processes can share the work; every call gathers
all that is there into `results/pretext.json`.

    POINTSSL_DATA=... python benchmarks/pretext.py --backbones pointnet dgcnn --seeds 0 1 2
"""

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import torch
import tyro

from pointssl.backbones import Backbone, BackboneConfig, DGCNNConfig, PointNetConfig, build_backbone
from pointssl.backbones.image import ResNetConfig
from pointssl.data.augment import AugmentConfig
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.data.views.config import ViewConfig
from pointssl.data.views.write import write_views
from pointssl.evaluation import knn, probe
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.methods import CrossPointConfig, MethodConfig, MMPointConfig, ParAEConfig
from pointssl.methods.pictures import PictureConfig
from pointssl.ops import stats
from pointssl.ops.evidence import difference_of_runs
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig, to_json
from pointssl.runs.layout import read_json
from pointssl.runs.run import load
from pointssl.train.pretrain import pretrain

RESULTS = Path(__file__).resolve().parent.parent / "results"
RUNS = Path("runs/pretext")
VIEWS = Path("runs/views/psb-shrec12")
Arm = Literal["mm-point", "crosspoint", "parae", "untrained"]
Network = Literal["pointnet", "dgcnn"]

PROBES = {name: probe.PROBES[name] for name in ("svm-cv", "svm-cv-standardised")}
IMAGE = ResNetConfig(depth=18, width=16, channels=1)
"""A sixteenth of the arithmetic of a ResNet-18, for grey images."""
PICTURES = PictureConfig(kind="shaded")
"""Shading rendered from the meshes by `write_views`: 64 pixels a side."""
CHANGES = AugmentConfig(axis_scale=(2 / 3, 3 / 2), rotation="up", shift=0.2, jitter=0.01, dropout=0.875)
"""Of both contrasts; chosen among four by cross-validation inside the training clouds (LOG.md)."""
METHODS: dict[Arm, MethodConfig] = {
    "mm-point": MMPointConfig(views=4, image=IMAGE, pictures=PICTURES, augment=CHANGES),
    "crosspoint": CrossPointConfig(image=IMAGE, pictures=PICTURES, augment=CHANGES),
    "parae": ParAEConfig(head=(128,)),
}
BACKBONES: dict[Network, BackboneConfig] = {
    "pointnet": PointNetConfig(),
    "dgcnn": DGCNNConfig(k=15, pooling="max_mean"),
}


@dataclass(frozen=True)
class Options:
    """What to run."""

    backbones: tuple[Network, ...] = ("pointnet",)
    """Networks."""
    arms: tuple[Arm, ...] = ("mm-point", "crosspoint", "parae", "untrained")
    """Pretext tasks."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per seed."""
    epochs: float = 16.0
    """Of every run."""
    points: int = 512
    """Per cloud in pre-training; the probes read 1,024."""
    gather: bool = False
    """Only gather what is there."""


def main(options: Options) -> None:
    """Train, score, gather."""
    data = Path(os.environ["POINTSSL_DATA"])
    if not options.gather:
        make_views(data)
        for seed in options.seeds:
            for network in options.backbones:
                for arm in options.arms:
                    one(data, network, arm, seed, options)
    gather(options)


def make_views(data: Path) -> None:
    """Render twelve views of every shape, from three heights, unless that was done before."""
    if not VIEWS.is_dir():
        config = ViewConfig(kind="shaded", size=64, views=12, elevation=(15.0, 30.0, 45.0))
        write_views(data / "psb-shrec12" / "meshes.npz", VIEWS, config)


def one(data: Path, network: Network, arm: Arm, seed: int, options: Options) -> None:
    """Pre-train and score one encoder, unless that was done before."""
    folder = RUNS / f"{network}-{arm}-{seed}"
    scores = folder.with_suffix(".json")
    if scores.is_file():
        return
    finished: Any = None
    if arm == "untrained":
        torch.manual_seed(seed)
        encoder = build_backbone(BACKBONES[network])
    else:
        source = str(data / "psb-shrec12")
        config = settings(network, arm, seed, source, epochs=options.epochs, points=options.points)
        pretrain(config, folder, resume=(folder / "config.json").is_file())
        encoder, finished = load(folder), read_json(folder / "record.json").get("finished")
    write_json(
        scores, {"network": network, "arm": arm, "seed": seed, "finished": finished} | probes(encoder, data, seed)
    )


def settings(network: Network, arm: Arm, seed: int, source: str, *, epochs: float, points: int) -> PretrainConfig:
    """Return the settings of one run; all that is not the method's is the same for all."""
    views = str(VIEWS) if arm in ("mm-point", "crosspoint") else None
    return PretrainConfig(
        method=METHODS[arm],
        backbone=BACKBONES[network],
        data=DataConfig(source=source, reading=ReadConfig(points=points), split="train", batch_size=32, views=views),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine", weight_decay=1e-6),
        epochs=epochs,
        seed=seed,
    )


def probes(encoder: Backbone, data: Path, seed: int) -> dict[str, Any]:
    """Return the share of right test clouds of every set under every probe."""
    reading, found = EncodeConfig(reading=ReadConfig(points=1024, normalise=True, allow_repeats=True)), {}
    for name in ("psb-shrec12", "bimnet10", "psb-segmentation"):
        splits = open_splits(str(data / name))
        train, test = (encode(encoder, part, reading, seed=seed) for part in (splits.train, splits.test))
        truth, rows = splits.test_labels, {}
        for key, config in PROBES.items():
            fitted = probe.fit_predict(train, splits.train_labels, test, config, seed=seed)
            rows[key] = {"right": (fitted.predictions == truth).astype(int).tolist(), "c": fitted.c}
        voted = knn.predict(train, splits.train_labels, test, k=20)
        rows["knn-20"] = {"right": (voted == truth).astype(int).tolist()}
        found[name] = {"test": len(truth), "train": len(train), "probes": rows}
    return {"scores": found}


def gather(options: Options) -> None:
    """Write every score with its mean over the seeds and its difference to CrossPoint and untrained."""
    found = [read_json(path) for path in sorted(RUNS.glob("*.json"))]
    rows: list[dict[str, Any]] = []
    for network in BACKBONES:
        for arm in (*METHODS, "untrained"):
            mine = of(found, network, arm)
            for name in mine[0]["scores"] if mine else ():
                for key in mine[0]["scores"][name]["probes"]:
                    right = rightness(mine, name, key)
                    values = right.mean(axis=1).tolist()
                    row = {"network": network, "arm": arm, "data": name, "probe": key, "values": values}
                    against = {
                        other: asdict(difference_of_runs(right, theirs))
                        for other in ("crosspoint", "untrained")
                        if other != arm and len(theirs := rightness(of(found, network, other), name, key))
                    }
                    row |= {"test": right.shape[1], "against": against}
                    rows.append(row | asdict(stats.mean_interval(values)))
    shown = {
        arm: to_json(settings("pointnet", arm, 0, "psb-shrec12", epochs=options.epochs, points=options.points))
        for arm in METHODS
    }
    for one in shown.values():
        one["data"]["views"] = one["data"]["views"] and "views of psb-shrec12/meshes.npz"
    costs = [{key: one[key] for key in ("network", "arm", "seed", "finished")} for one in found]
    result = {
        "command": "python benchmarks/pretext.py " + " ".join(sys.argv[1:]),
        "settings": shown,
        "versions": versions(),
        "runs": costs,
        "rows": rows,
    }
    write_json(RESULTS / "pretext.json", result)
    for row in rows:
        named = f"{row['network']:9} {row['arm']:11} {row['data']:17} {row['probe']:20}"
        print(f"{named} {100 * row['mean']:5.1f} (n {row['n']})")


def of(found: list[dict[str, Any]], network: str, arm: str) -> list[dict[str, Any]]:
    """Return the runs of one arm, in the order of their seeds."""
    return sorted((o for o in found if (o["network"], o["arm"]) == (network, arm)), key=lambda o: int(o["seed"]))


def rightness(runs: list[dict[str, Any]], data: str, key: str) -> np.ndarray:
    """Return for every run and test cloud whether the probe was right, (runs, clouds) of 0 and 1."""
    return np.array([one["scores"][data]["probes"][key]["right"] for one in runs], dtype=float)


if __name__ == "__main__":
    main(tyro.cli(Options))
