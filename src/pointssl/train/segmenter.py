"""A segmenter of points: what `train_supervised` learns from the part, or class, of every point.

run/scores.json    intersections over union after the last epoch, one confusion matrix over all points, and the best
epoch where all were scored
"""

from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np

from pointssl.backbones import Backbone
from pointssl.data.augment import AugmentConfig
from pointssl.data.open import Data
from pointssl.data.point_labels import labelled_splits
from pointssl.errors import DataError, SettingError
from pointssl.methods import PointSegmenter, Segment, SegmentConfig
from pointssl.methods.base import PretextMethod
from pointssl.progress import console
from pointssl.runs.config import PretrainConfig
from pointssl.runs.run import Run
from pointssl.runs.scores import PointScores
from pointssl.train.checks import named_clouds
from pointssl.train.labels import LabelConfig, divide
from pointssl.train.point_scores import score_points
from pointssl.train.supervised import Learned, Task, resume_supervised, train_supervised


@final
class Segmentation(Task):
    """Every point has a part."""

    name, figure = "segmenter", "miou"

    def fit(self, config: PretrainConfig, data: Data | None, labels: LabelConfig) -> Learned:
        """Return the settings with the data's parts and classes, and the labelled clouds.

        Raises `SettingError` for changes of clouds that labels cannot follow, `DataError` as `labelled_splits`.
        """
        method = config.method
        if not isinstance(method, SegmentConfig):
            raise SettingError(
                f"a segmenter needs the method segment, got {type(method).__name__.removesuffix('Config')}; "
                "`pointssl recipes` lists the recipes of `pointssl train`"
            )
        _keep_points(config.data.augment)
        config, clouds = named_clouds(config, data)
        splits, parts = labelled_splits(
            divide(clouds, labels, classes=False), fraction=method.point_fraction, seed=labels.label_seed
        )
        if method.parts not in (0, len(parts.names)):
            raise DataError(
                f"method.parts is {method.parts}, but the points of {splits.train.name} have {len(parts.names)}; leave "
                "it out, or give the data it was meant for"
            )
        categories = method.categories
        if categories is None:
            categories = 0 if len(parts.allowed) < 2 else len(parts.allowed)
        if categories and (splits.train.labels is None or categories < len(parts.allowed)):
            raise DataError(
                f"method.categories is {categories}, but {splits.train.name} has clouds of "
                f"{'no' if splits.train.labels is None else len(parts.allowed)} classes; leave it out, or set it to 0"
            )
        if parts.unlearned:
            few = ", ".join(parts.unlearned[:5])
            console.print(f"warning: no training point is of {len(parts.unlearned)} of {len(parts.names)} parts: {few}")
        kept = replace(method, parts=len(parts.names), categories=categories)
        notes = {"classes": list(parts.names), "allowed": parts.allowed.tolist()}
        # What is kept must name the clouds that were learned from, whatever split the settings were written for.
        return Learned(replace(config, method=kept, data=replace(config.data, split="train")), splits, notes)

    def measure(self, method: PretextMethod, learned: Learned, device: str | None) -> float:
        """Return the mean intersection over union on the test clouds."""
        network, reading = _network(method, learned), learned.config.data.reading
        return score_points(network, learned.splits, reading, device=device, progress_bar=False).miou

    def score(
        self, method: PretextMethod, learned: Learned, *, scored_on: str, epochs: list[float], device: str | None
    ) -> PointScores:
        """Return how it does on the test clouds."""
        network, reading = _network(method, learned), learned.config.data.reading
        assert isinstance(learned.config.method, SegmentConfig)
        votes = learned.config.method.votes
        return score_points(
            network, learned.splits, reading, votes=votes, scored_on=scored_on, epochs=epochs, device=device
        )


TASK = Segmentation()


def train_segmenter(
    config: PretrainConfig,
    out: Path | str,
    *,
    data: Data | None = None,
    labels: LabelConfig | None = None,
    init_from: Path | str | Backbone | None = None,
    backbone: Backbone | None = None,
    score_epochs: bool = False,
    resume: bool = False,
    device: str | None = None,
) -> Path:
    """Train a segmenter of points, score it on every point of the test clouds, and return the run's folder.

    As `train_classifier`, but `config.method` must be a `SegmentConfig`, and clouds need no class of their own: where
    they have one, the head is told of it, and a part is sought among those of its class.
    """
    return train_supervised(
        TASK,
        config,
        out,
        data=data,
        labels=labels,
        init_from=init_from,
        backbone=backbone,
        score_epochs=score_epochs,
        resume=resume,
        device=device,
    )


def resume_segmenter(run: Path | str, *, device: str | None = None) -> Path:
    """Go on with a run that was stopped; its settings, labels and start are its own. Raises as `train_segmenter`."""
    return resume_supervised(TASK, run, device=device)


def load_segmenter(run: Path | str) -> PointSegmenter:
    """Return a run's segmenter, clouds (b, n, 3) to logits (b, n, k), on the CPU and in evaluation mode.

    It has `backbone`, `head`, `parts`, the names in the order of the logits, and `allowed`, the parts of each class of
    clouds. Raises `RunError`.
    """
    return Run.open(run).segmenter()


def _network(method: PretextMethod, learned: Learned) -> PointSegmenter:
    """Return the part of `method` that tells points apart, with its own weights."""
    assert isinstance(method, Segment)
    return method.segmenter(tuple(learned.notes["classes"]), np.array(learned.notes["allowed"], dtype=bool))


def _keep_points(augment: AugmentConfig) -> None:
    """Refuse changes that put copies of one point in the place of others, whose labels would stay behind."""
    for name in ("dropout", "crop", "region"):
        if getattr(augment, name):
            raise SettingError(
                f"data.augment.{name} puts copies of a point in the place of others, and their labels would be wrong; "
                "leave it out for segmentation"
            )
