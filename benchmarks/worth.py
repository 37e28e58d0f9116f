"""What pre-training is worth: frozen features of methods, data and networks beside the same network untrained.

A cell is one network pre-trained by one method on one kind of data with one seed, measured frozen on the test clouds of
four sets. Cells lie in `runs/worth/`; a finished one is not done again and one that was cut off goes on where it
stopped. Any number of processes may call this: each takes the next cell that nobody holds. Every call ends by gathering
all that is finished into `results/worth.json`.

    POINTSSL_DATA=... python benchmarks/worth.py --clouds-seen 100000 --methods untrained contrast --seeds 0 1 2
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import torch
import tyro

from pointssl.backbones import (
    Backbone,
    BackboneConfig,
    DGCNNConfig,
    EdgePointNetConfig,
    PointNetConfig,
    build_backbone,
)
from pointssl.backbones.image import ResNetConfig
from pointssl.data.arrays import ArrayDataset
from pointssl.data.augment import AugmentConfig
from pointssl.data.cloud import Dataset
from pointssl.data.mixture import Mixture
from pointssl.data.open import open_dataset
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.evaluation import knn
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.features import EncodeConfig, Table
from pointssl.evaluation.frozen import Labels
from pointssl.evaluation.probe import Fitted
from pointssl.evaluation.protocols import Protocol, on_features
from pointssl.evaluation.record import Evaluation
from pointssl.evaluation.suite import measure
from pointssl.files import write_json
from pointssl.methods import (
    ClassifyConfig,
    ContrastConfig,
    CrossPointConfig,
    MethodConfig,
    MMPointConfig,
    ParAEConfig,
)
from pointssl.ops.whitening import fit_whitening
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.run import load
from pointssl.train.classifier import train_classifier
from pointssl.train.pretrain import pretrain
from worth_results import TESTS, Cell, Data, Method, Network, gather

PROBES = ("svm-cv-standardised", "knn-1", "knn-1-whitened", "knn-20", "svm-cv-wide")
CHANGES = AugmentConfig(axis_scale=(2 / 3, 3 / 2), rotation="up", recentre=True, jitter=0.01, dropout=0.5, crop=0.3)
"""Of all contrasts: centred and scaled again, as the probes' clouds are (LOG.md)."""
IMAGE = ResNetConfig(depth=18, width=16, channels=1)
METHODS: dict[Method, MethodConfig] = {
    "contrast": ContrastConfig(augment=CHANGES),
    "mm-point": MMPointConfig(views=4, image=IMAGE, augment=CHANGES),
    "crosspoint": CrossPointConfig(image=IMAGE, augment=CHANGES),
    "parae": ParAEConfig(head=(128,)),
    "supervised": ClassifyConfig(hidden=(256,)),
}
BACKBONES: dict[Network, BackboneConfig] = {
    "pointnet": PointNetConfig(),
    "edge-pointnet": EdgePointNetConfig(),
    "dgcnn": DGCNNConfig(k=15),
}
SOURCES: dict[Data, str] = {
    "generated": "generated:unions",
    "families": "synthetic:30000",
    "fractals": "generated:fractals:n=30000",
}
"""What comes from a formula; the last two with its classes, 24 and 100, of which two thirds are trained on."""


def clouds(data: Data | Literal["nothing"]) -> str | Dataset:
    """Return what is pre-trained on: `real` is all of three sets but their test clouds, without labels."""
    if data in SOURCES:
        return SOURCES[data]
    stored = []
    for name, test in {"psb-shrec12": 1, "kicad-parts": 1, "ldraw-parts": 1}.items():
        with np.load(Path(os.environ["POINTSSL_DATA"]) / name / "clouds.npz") as file:
            stored.append(file["points"][file["split"] != test])
    real = ArrayDataset(np.concatenate(stored), name="psb-shrec12, kicad-parts, ldraw-parts", scale=1 / 1024)
    return real if data == "real" else Mixture([(open_dataset("generated:unions"), 1), (real, 1)], name="both")


def nearest_whitened(train: Table, labels: Labels, test: Table, _: int) -> Fitted:
    """Nearest neighbour after whitening, which is fitted on the training clouds without their labels."""
    whiten = fit_whitening(train)
    return Fitted(predictions=knn.predict(whiten(train), labels, whiten(test), k=1))


WHITENED = Protocol(
    name="knn-1-whitened",
    title="Nearest neighbour, whitened features",
    rule=(rule := "kNN, cosine, k = 1, 128 axes half whitened on the training clouds, without labels"),
    reads="features of the training split; scored on the test split",
    repeated="seeds",
    run=partial(on_features, "knn-1-whitened", rule, nearest_whitened),
    settled=True,
)


@dataclass(frozen=True)
class Options:
    """What to run."""

    methods: tuple[Method, ...] = ("untrained", "contrast")
    """Pretext tasks."""
    data: tuple[Data, ...] = ("generated",)
    """What is pre-trained on."""
    backbones: tuple[Network, ...] = ("pointnet",)
    """Networks."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per seed; an untrained network is the one that the run of this seed began with."""
    clouds_seen: float = 1.4e6
    """Of every run."""
    points: int = 512
    """Per cloud in pre-training; the probes read 1,024."""
    batch: int = 64
    """Clouds per step."""
    probes: tuple[str, ...] = PROBES
    """Protocols, in this order."""
    precision: Literal["float32", "bf16", "auto"] = "auto"
    """Of pre-training; the probes are in float32."""
    gather: bool = False
    """Only gather what is there."""


def main(options: Options) -> None:
    """Take one cell after another, then gather."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for cell in cells(options) if not options.gather else ():
        with alone(cell.folder.with_suffix(".lock")) as mine:
            if mine:
                finish(cell, options)
    gather()


def cells(options: Options) -> list[Cell]:
    """Return the grid, seed by seed, so that what is finished first is the same for all methods."""
    found = []
    for seed, network, method, data in product(options.seeds, options.backbones, options.methods, options.data):
        plain = method == "untrained"
        size = (0, 0) if plain else (int(options.clouds_seen), options.points)
        found.append(Cell(method, "nothing" if plain else data, network, seed, *size))
    return list(dict.fromkeys(found))


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Tell whether this process holds the lock; the system gives it back when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def finish(cell: Cell, options: Options) -> None:
    """Train and measure one cell; what is already there is not done again."""
    encoder = pretrained(cell, options)
    data = os.environ["POINTSSL_DATA"]
    for name, test in TESTS.items():
        context = EvaluationContext(
            arms={"pretrained": lambda _: encoder},
            splits=open_splits((open_dataset(f"{data}/{name}", "train"), open_dataset(f"{data}/{name}", test))),
            encode=EncodeConfig(reading=ReadConfig(points=1024)),
            seeds=(cell.seed,),
            cache=cell.folder / "evaluation",
        )
        probes = [WHITENED if probe == WHITENED.name else probe for probe in options.probes]
        found = measure(context, probes, run=cell.folder.name, folder=context.cache, reuse=True)
        write_json(cell.folder / f"{name}.json", answers(found))
    write_json(cell.folder / "cell.json", asdict(cell))


def pretrained(cell: Cell, options: Options) -> Backbone:
    """Return the encoder of a cell, trained to its end."""
    if cell.method == "untrained":
        torch.manual_seed(cell.seed)
        return build_backbone(BACKBONES[cell.network])
    run, config = cell.folder / "run", settings(cell, options)
    if cell.method == "supervised":
        train_classifier(config, run, resume=(run / "config.json").is_file())
    else:
        pretrain(config, run, data=clouds(cell.data), resume=(run / "config.json").is_file())
    return load(run)


def settings(cell: Cell, options: Options) -> PretrainConfig:
    """Return the settings of a cell's run; all that is not the method's is the same for all."""
    assert cell.method != "untrained"
    assert cell.data != "nothing"
    changes = CHANGES if cell.method == "supervised" else AugmentConfig()  # a contrast changes its copies itself
    return PretrainConfig(
        method=METHODS[cell.method],
        backbone=BACKBONES[cell.network],
        data=DataConfig(
            source=SOURCES.get(cell.data),
            split="train" if cell.method == "supervised" else "all",
            reading=ReadConfig(points=cell.points),
            batch_size=options.batch,
            augment=changes,
        ),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine", warmup_steps=100, weight_decay=1e-6),
        clouds_seen=cell.clouds,
        checkpoint_every=500,
        precision=options.precision,
        seed=cell.seed,
    )


def answers(found: Evaluation) -> dict[str, Any]:
    """Return for every probe which test clouds it had right."""
    truth, probes = np.array(found.test_labels), {}
    for score in found.scores:
        [one] = score.repeats
        right = (np.array(one.predictions) == truth).astype(int).tolist()
        probes[score.protocol] = {"right": right, "c": one.c, "rule": score.rule}
    return {"train": found.scores[0].n_train, "test": len(truth), "probes": probes}


if __name__ == "__main__":
    main(tyro.cli(Options))
