"""One call from settings and labelled clouds to a scored classifier, from scratch or from a pre-trained encoder.

It trains on the engine of pre-training (`pretrain.py`), so a stopped run is resumed to the same bits, and every arm of
a comparison gets the same recipe, order, points and head. Fine-tuning protocols are such runs. Beside what every run
folder holds:

    run/record.json    `training`: the encoder it started from with the digest of its weights, which labels, the classes
    run/scores.json    accuracy after the last epoch, every prediction, and the best epoch where all were scored
"""

import copy
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pointssl.backbones import Backbone, build_backbone
from pointssl.data.open import Data
from pointssl.data.splits import Splits
from pointssl.errors import DataError, RunError, SettingError
from pointssl.files import sweep, write_json
from pointssl.methods import Classify, ClassifyConfig
from pointssl.methods.base import PretextMethod
from pointssl.methods.classify import CloudClassifier
from pointssl.ops.counter_random import seed_of
from pointssl.runs import layout, strict_json
from pointssl.runs.checkpoint import latest, weights_of
from pointssl.runs.config import PretrainConfig
from pointssl.runs.device import choose_device
from pointssl.runs.record import read_metrics
from pointssl.runs.run import Run
from pointssl.runs.weights import load_weights, read_tensors
from pointssl.train.checks import named_clouds
from pointssl.train.initial_weights import begun, check_same, initialise, weights_note
from pointssl.train.labels import LabelConfig, divide
from pointssl.train.pretrain import Measure, described, own_randomness, train
from pointssl.train.scores import predict, score


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
    run, labels = Path(out), labels or LabelConfig()
    if init_from is not None and backbone is not None:
        raise SettingError("give init_from or backbone, not both: a backbone of your own starts from its own weights")
    with own_randomness(choose_device(device)):
        config, splits = fitted(described(config, backbone, None), data, labels)
        before = begun(run) if resume else None
        method = _classifier(config, backbone)
        if backbone is not None:  # it is trained from the weights it has
            start: dict[str, str] | None = weights_note(backbone)
        else:
            start = initialise(method, config, init_from, before, run)
        notes: dict[str, Any] = {
            "start": start,
            "labels": asdict(labels),
            "classes": list(splits.train.classes),
            "scored_on": {
                "data": splits.test.name,
                "clouds": len(splits.test),
                "fingerprint": splits.test.fingerprint,
            },
            "score_epochs": score_epochs,
        }
        if before is not None:
            check_same(before, notes, run)
        if not layout.is_scored(run) or not resume:
            _train(config, run, splits, method, before or notes, resume=resume, device=device)
        else:
            sweep(run)
    return run


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
    folder = Path(run)
    if not layout.is_begun(folder) or not Run.open(folder).is_supervised:
        raise RunError(f"{folder} is no run of `pointssl train`; start one with: pointssl train RECIPE --out RUN")
    before = begun(folder)
    config = Run.open(folder).config
    if before is None:
        return train_classifier(config, folder, resume=True, device=device)
    labels = strict_json.structure(before["labels"], LabelConfig, f"{folder / layout.RECORD}: labels")
    epochs = bool(before.get("score_epochs"))
    return train_classifier(config, folder, labels=labels, score_epochs=epochs, resume=True, device=device)


def load_classifier(run: Path | str) -> CloudClassifier:
    """Return a run's classifier, clouds (b, n, 3) to logits (b, k), on the CPU and in evaluation mode.

    It has `backbone`, `head` and `classes`, the names in the order of the logits. Raises `RunError`.
    """
    return Run.open(run).classifier()


def _train(
    config: PretrainConfig,
    run: Path,
    splits: Splits,
    method: Classify,
    notes: dict[str, Any],
    *,
    resume: bool,
    device: str | None,
) -> None:
    """Train `method` to the end and write the scores."""
    which = "validation" if notes["labels"]["validate"] else "test"
    named = f"{which}_accuracy"

    def accuracy(now: PretextMethod) -> dict[str, float]:
        assert isinstance(now, Classify)
        predictions = predict(_network(now, ()), splits.test, config.data.reading, device=device, progress_bar=False)
        return {named: float((predictions == splits.test_labels).mean())}

    measure: Measure | None = accuracy if notes["score_epochs"] else None
    train(
        config,
        run,
        splits.train,
        method=method,
        notes={"training": notes},
        measure=measure,
        resume=resume,
        device=device,
    )
    if not _is_main():
        return
    last = latest(run)
    assert last is not None  # `pretrain` ends with a checkpoint
    file = weights_of(last)
    load_weights(method, read_tensors(file), file)  # a run that was finished before has trained nothing just now
    names, epochs = splits.train.classes, [line[named] for line in read_metrics(run) if named in line]
    made = score(
        _network(method, names),
        splits,
        config.data.reading,
        classes=names,
        scored_on=which,
        epochs=epochs,
        device=device,
    )
    write_json(run / layout.SCORES, asdict(made))


def _network(method: Classify, names: tuple[str, ...]) -> CloudClassifier:
    """Return the part of `method` that classifies, with its own weights."""
    network = CloudClassifier(method.backbone, method.head, names)
    network.training = method.training  # a wrapper is born in training mode; its parts keep theirs
    return network


def _classifier(config: PretrainConfig, backbone: Backbone | None) -> Classify:
    """Build the classifier from the run's seed: whatever encoder it gets, the head is the same."""
    assert isinstance(config.method, ClassifyConfig)
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone) if backbone is None else copy.deepcopy(backbone)
    torch.manual_seed(seed_of(config.seed, 6))
    return Classify(backbone, config.method)


def _is_main() -> bool:
    """Whether this process writes; asked after training, when the processes may have parted already."""
    return (dist.get_rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))) == 0
