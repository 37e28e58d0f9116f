"""One network pre-trained by one method on one kind of data with one seed, measured frozen on four real sets.

`worth.py` and `leaderboard.py` are grids of such cells, which lie in `runs/worth/`. A finished one is not done again
and one that was cut off goes on where it stopped; any number of processes may share a grid: each takes the next cell
that nobody holds.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import torch

from pointssl.backbones import (
    Backbone,
    BackboneConfig,
    DGCNNConfig,
    EdgePointNetConfig,
    PatchTransformerConfig,
    PointNet2Config,
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
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.evaluation.frozen import Labels
from pointssl.evaluation.probe import Fitted
from pointssl.evaluation.protocols import Protocol, on_features
from pointssl.evaluation.record import Evaluation, Score
from pointssl.evaluation.suite import measure
from pointssl.files import write_json
from pointssl.methods import (
    AutoencoderConfig,
    ClassifyConfig,
    ContrastConfig,
    CrossPointConfig,
    DistillationConfig,
    FoldingConfig,
    IAEConfig,
    JigsawConfig,
    MethodConfig,
    MMPointConfig,
    OcCoConfig,
    ParAEConfig,
    PointContrastConfig,
    PointJEPAConfig,
    PointMAEConfig,
    Rotation3DConfig,
    STRLConfig,
)
from pointssl.ops.whitening import fit_whitening
from pointssl.runs.config import DataConfig, OptimConfig, PretrainConfig
from pointssl.runs.layout import read_json
from pointssl.runs.run import load
from pointssl.train.classifier import train_classifier
from pointssl.train.pretrain import pretrain
from pointssl.train.recipes import train_recipe

RUNS = Path("runs/worth")
Data = Literal["generated", "real", "both", "families", "fractals"]
Network = Literal["pointnet", "edge-pointnet", "dgcnn", "pointnet2", "patch-transformer"]

TESTS = {"psb-shrec12": "test", "kicad-parts": "val", "ldraw-parts": "val", "bimnet10": "test"}
"""The split that is measured on: where a third one holds clouds without labels, it is the second."""
PROBES = ("svm-cv-standardised", "knn-1", "knn-1-whitened", "knn-20", "svm-cv-wide")
CHANGES = AugmentConfig(axis_scale=(2 / 3, 3 / 2), rotation="up", recentre=True, jitter=0.01, dropout=0.5, crop=0.3)
"""Of all contrasts: centred and scaled again, as the probes' clouds are (LOG.md)."""
IMAGE = ResNetConfig(depth=18, width=16, channels=1)
METHODS: dict[str, MethodConfig] = {
    "contrast": ContrastConfig(augment=CHANGES),
    "mm-point": MMPointConfig(views=4, image=IMAGE, augment=CHANGES),
    "crosspoint": CrossPointConfig(image=IMAGE, augment=CHANGES),
    "parae": ParAEConfig(head=(128,)),
    "jigsaw": JigsawConfig(),
    "rotation3d": Rotation3DConfig(),
    "autoencoder": AutoencoderConfig(),
    "folding": FoldingConfig(),
    "occo": OcCoConfig(),
    "point-mae": PointMAEConfig(),
    "point-jepa": PointJEPAConfig(),
    "strl": STRLConfig(),
    "distillation": DistillationConfig(),
    "point-contrast": PointContrastConfig(),
    "iae": IAEConfig(),
    "supervised": ClassifyConfig(hidden=(256,)),
}
BACKBONES: dict[Network, BackboneConfig] = {
    "pointnet": PointNetConfig(),
    "edge-pointnet": EdgePointNetConfig(),
    "dgcnn": DGCNNConfig(k=15),
    "pointnet2": PointNet2Config(),
    "patch-transformer": PatchTransformerConfig(),
}
SOURCES: dict[Data, str] = {
    "generated": "generated:unions",
    "families": "synthetic:30000",
    "fractals": "generated:fractals:n=30000",
}
"""What comes from a formula; the last two with its classes, 24 and 100, of which two thirds are trained on."""


@dataclass(frozen=True)
class Cell:
    """One network to measure."""

    method: str
    """In `METHODS`, or "untrained"."""
    data: Data | Literal["nothing"]
    network: Network
    seed: int
    clouds: int
    """Seen in pre-training."""
    points: int
    """Of each, in pre-training."""

    @property
    def folder(self) -> Path:
        """Where its run and its evaluations lie."""
        return RUNS / f"{self.network}-{self.method}-{self.data}-{self.clouds}x{self.points}-{self.seed}"

    @property
    def untrained(self) -> "Cell":
        """The network that it began with."""
        return Cell("untrained", "nothing", self.network, self.seed, 0, 0)


@dataclass(frozen=True)
class Grid:
    """What is the same for all cells of a grid."""

    batch: int = 64
    """Clouds per step."""
    probes: tuple[str, ...] = PROBES
    """Protocols, in this order; those of few labels and of fine-tuning read one subset for each seed."""
    tests: tuple[str, ...] = tuple(TESTS)
    """Sets that are measured on."""
    precision: Literal["float32", "bf16", "auto"] = "auto"
    """Of pre-training and fine-tuning; the probes are in float32."""
    fractions: tuple[float, ...] = (0.01, 0.1, 1.0)
    """Of the labels, where a protocol asks."""


def finish(cells: Iterable[Cell], grid: Grid) -> None:
    """Take one cell after another that no other process holds, train it and measure it."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for cell in cells:
        with alone(cell.folder.with_suffix(".lock")) as mine:
            if mine:
                _finish(cell, grid)


def finished() -> list[Cell]:
    """Return all cells that were measured."""
    return [Cell(**read_json(path)) for path in sorted(RUNS.glob("*/cell.json"))]


def answers(cell: Cell, name: str) -> dict[str, np.ndarray]:
    """Return for every probe of a finished cell, for every test cloud, the share of times that it was right.

    Of few-shot episodes, whose clouds differ, it is the share of clouds that were right in each.
    """
    path = cell.folder / f"{name}.json"
    probes = read_json(path)["probes"] if path.is_file() else {}
    return {key: np.array(found["right"], dtype=float) for key, found in probes.items()}


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


def _finish(cell: Cell, grid: Grid) -> None:
    encoder = pretrained(cell, grid)
    data = os.environ["POINTSSL_DATA"]
    finetune = train_recipe("finetune")
    for name in grid.tests:
        context = SubsetOfSeed(
            arms={"pretrained": lambda _: encoder},
            splits=open_splits((open_dataset(f"{data}/{name}", "train"), open_dataset(f"{data}/{name}", TESTS[name]))),
            encode=EncodeConfig(reading=ReadConfig(points=1024)),
            seeds=(cell.seed,),
            cache=cell.folder / "evaluation",
            finetune=replace(finetune, precision=grid.precision),
            score_epochs=False,
            few_shot=FewShotConfig(ways=(5,), shots=(10,), episodes=20, points=None),
            fractions=grid.fractions,
        )
        probes = [WHITENED if probe == WHITENED.name else probe for probe in grid.probes]
        found = measure(context, probes, run=cell.folder.name, folder=context.cache, reuse=True)
        write_json(cell.folder / f"{name}.json", _answered(found))
    write_json(cell.folder / "cell.json", asdict(cell))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetOfSeed(EvaluationContext):
    """A context in which every seed reads a subset of the labels of its own, the same for all methods."""

    def subset_seeds(self, fraction: float) -> range:  # noqa: ARG002
        """Return the one subset of this seed."""
        return range(self.seeds[0], self.seeds[0] + 1)


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


def pretrained(cell: Cell, grid: Grid) -> Backbone:
    """Return the encoder of a cell, trained to its end."""
    if cell.method == "untrained":
        torch.manual_seed(cell.seed)
        return build_backbone(BACKBONES[cell.network])
    run, config = cell.folder / "run", settings(cell, grid)
    if cell.method == "supervised":
        train_classifier(config, run, resume=(run / "config.json").is_file())
    else:
        pretrain(config, run, data=clouds(cell.data), resume=(run / "config.json").is_file())
    return load(run)


def settings(cell: Cell, grid: Grid) -> PretrainConfig:
    """Return the settings of a cell's run; all that is not the method's is the same for all."""
    assert cell.data != "nothing"
    changes = CHANGES if cell.method == "supervised" else AugmentConfig()  # a contrast changes its copies itself
    return PretrainConfig(
        method=METHODS[cell.method],
        backbone=BACKBONES[cell.network],
        data=DataConfig(
            source=SOURCES.get(cell.data),
            split="train" if cell.method == "supervised" else "all",
            reading=ReadConfig(points=cell.points),
            batch_size=grid.batch,
            augment=changes,
        ),
        optim=OptimConfig(kind="adam", lr=1e-3, schedule="cosine", warmup_steps=100, weight_decay=1e-6),
        clouds_seen=cell.clouds,
        checkpoint_every=500,
        precision=grid.precision,
        seed=cell.seed,
    )


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


def _answered(found: Evaluation) -> dict[str, Any]:
    """Return for every probe what was right."""
    truth = np.array(found.test_labels)
    probes = {score.protocol: _right(score, truth) for score in found.scores}
    return {"train": found.scores[0].n_train, "test": len(truth), "probes": probes}


def _right(score: Score, truth: np.ndarray) -> dict[str, Any]:
    if all(len(one.predictions) for one in score.repeats):
        each = np.array([np.array(one.predictions) == truth for one in score.repeats], dtype=float)
        right = each.mean(axis=0).tolist() if len(each) > 1 else each[0].astype(int).tolist()
    else:
        right = [one.accuracy for one in score.repeats]
    return {"right": right, "c": score.repeats[0].c, "rule": score.rule, "learned_from": score.n_train}
