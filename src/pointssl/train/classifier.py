"""A classifier of clouds: what `train_supervised` learns from the class of every cloud.

run/scores.json    accuracy after the last epoch, every prediction, and the best epoch where all were scored
"""

from dataclasses import replace
from pathlib import Path
from typing import final

from pointssl.backbones import Backbone
from pointssl.data.open import Data
from pointssl.data.splits import Splits
from pointssl.errors import DataError, SettingError
from pointssl.methods import Classify, ClassifyConfig
from pointssl.methods.base import PretextMethod
from pointssl.methods.classify import CloudClassifier
from pointssl.runs.config import PretrainConfig
from pointssl.runs.run import Run
from pointssl.runs.scores import Scores
from pointssl.train.checks import named_clouds
from pointssl.train.labels import LabelConfig, divide
from pointssl.train.scores import predict, score
from pointssl.train.supervised import Learned, Task, resume_supervised, train_supervised


@final
class Classification(Task):
    """Every cloud has a class."""

    name, figure = "classifier", "accuracy"

    def fit(self, config: PretrainConfig, data: Data | None, labels: LabelConfig) -> Learned:
        """Return the settings with the data's number of classes, and the clouds; raises as `train_classifier`."""
        config, splits = fitted(config, data, labels)
        return Learned(config, splits, {"classes": list(splits.train.classes)})

    def measure(self, method: PretextMethod, learned: Learned, device: str | None) -> float:
        """Return the accuracy on the test clouds."""
        test, reading = learned.splits.test, learned.config.data.reading
        predictions = predict(_network(method, ()), test, reading, device=device, progress_bar=False)
        return float((predictions == learned.splits.test_labels).mean())

    def score(
        self, method: PretextMethod, learned: Learned, *, scored_on: str, epochs: list[float], device: str | None
    ) -> Scores:
        """Return how it does on the test clouds."""
        names = learned.splits.train.classes
        return score(
            _network(method, names),
            learned.splits,
            learned.config.data.reading,
            classes=names,
            scored_on=scored_on,
            epochs=epochs,
            device=device,
        )


TASK = Classification()


def train_classifier(
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
    """Train a classifier, score it, and return the run's folder.

    Args:
        config: every setting; `config.method` must be a `ClassifyConfig`, whose 0 classes become the data's.
        out: the run folder; must be new, or with `resume` one that was begun with the same settings.
        data: read in place of `config.data.source`: a path, a name, a data set, or a pair of training and test set;
            where nothing is divided, a fifth of every class is held out.
        labels: how many of the labels, and which clouds are scored on.
        init_from: a run, checkpoint, encoder folder or hub name whose encoder's weights training starts from, or the
            encoder itself; from scratch without.
        backbone: an encoder of one's own, in place of `config.backbone`; a copy is trained, from the weights it has.
        score_epochs: also score after every epoch, and keep the best one. It was chosen on the clouds it is scored on.
        resume: go on from the last whole checkpoint; the result is the one of a run that was never stopped.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.

    Raises:
        SettingError: settings that cannot work together, or a start from an encoder with other settings.
        DataError: clouds or labels that cannot be used.
        RunError: `out` exists, cannot be resumed, or `init_from` holds no encoder.
        Interrupted, TrainingStopped, DiskFullError: as `pretrain`.
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


def fitted(config: PretrainConfig, data: Data | None, labels: LabelConfig) -> tuple[PretrainConfig, Splits]:
    """Return the settings with the data's number of classes, and the clouds; raises as `train_classifier`."""
    method = config.method
    if not isinstance(method, ClassifyConfig):
        raise SettingError(
            f"a classifier needs the method classify, got {type(method).__name__.removesuffix('Config')}; "
            "`pointssl recipes` lists the recipes of `pointssl train`"
        )
    if method.interaction is not None and method.interaction.regions > config.data.reading.points:
        raise SettingError(
            f"method.interaction.regions must be at most data.points ({config.data.reading.points}), got "
            f"{method.interaction.regions}; take fewer regions or more points"
        )
    config, clouds = named_clouds(config, data)
    splits = divide(clouds, labels)
    highest = int(max(splits.train_labels.max(), splits.test_labels.max()))
    classes = len(splits.train.classes) or highest + 1
    if method.classes not in (0, classes):
        raise DataError(
            f"method.classes is {method.classes}, but {splits.train.name} has {classes} classes; leave it out, or give "
            "the data it was meant for"
        )
    # What is kept must name the clouds that were learned from, whatever split the settings were written for.
    reading = replace(config.data, split="train")
    return replace(config, method=replace(method, classes=classes), data=reading), splits


def resume_classifier(run: Path | str, *, device: str | None = None) -> Path:
    """Go on with a run that was stopped; its settings, labels and start are its own. Raises as `train_classifier`."""
    return resume_supervised(TASK, run, device=device)


def load_classifier(run: Path | str) -> CloudClassifier:
    """Return a run's classifier, clouds (b, n, 3) to logits (b, k), on the CPU and in evaluation mode.

    It has `backbone`, `head` and `classes`, the names in the order of the logits. Raises `RunError`.
    """
    return Run.open(run).classifier()


def _network(method: PretextMethod, names: tuple[str, ...]) -> CloudClassifier:
    """Return the part of `method` that classifies, with its own weights."""
    assert isinstance(method, Classify)
    network = CloudClassifier(method.backbone, method.head, names)
    network.training = method.training  # a wrapper is born in training mode; its parts keep theirs
    return network
