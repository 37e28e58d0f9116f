"""One call from settings and labels to a scored network, from scratch or from a pre-trained encoder.

What is learned is a `Task`: classes of clouds (`classifier.py`) or parts of points (`segmenter.py`). All train on the
engine of pre-training (`pretrain.py`), so a stopped run is resumed to the same bits, and every arm of a comparison gets
the same recipe, order, points and head. Fine-tuning protocols are such runs. Beside what every run folder holds:

    run/record.json    `training`: the encoder it started from with the digest of its weights, which labels, the classes
    run/scores.json    how it does after the last epoch; the best epoch beside it, where all were scored
"""

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist

from pointssl.backbones import Backbone, build_backbone
from pointssl.data.open import Data
from pointssl.data.splits import Splits
from pointssl.errors import RunError, SettingError
from pointssl.files import sweep, write_json
from pointssl.methods import MethodConfig, build_method
from pointssl.methods.base import PretextMethod
from pointssl.ops.counter_random import seed_of
from pointssl.runs import layout, strict_json
from pointssl.runs.checkpoint import latest, weights_of
from pointssl.runs.config import PretrainConfig
from pointssl.runs.device import choose_device
from pointssl.runs.record import read_metrics
from pointssl.runs.run import Run
from pointssl.runs.weights import load_weights, read_tensors
from pointssl.train.initial_weights import begun, check_same, initialise, weights_note
from pointssl.train.labels import LabelConfig
from pointssl.train.pretrain import Measure, described, own_randomness, train


@dataclass(frozen=True, slots=True)
class Learned:
    """What a task makes of its settings and data."""

    config: PretrainConfig
    """The settings, with what was left to the data filled in."""
    splits: Splits
    notes: Mapping[str, Any]
    """What the record says of the data, `classes` among it: a run that goes on must find the same."""


class Task(ABC):
    """What is learned from labels, and how it is scored."""

    name: ClassVar[str]
    """What the network is called: a classifier."""
    figure: ClassVar[str]
    """The one figure that is followed over epochs: accuracy."""

    @abstractmethod
    def fit(self, config: PretrainConfig, data: Data | None, labels: LabelConfig) -> Learned:
        """Fill in what was left to the data, and refuse what cannot work."""

    @abstractmethod
    def measure(self, method: PretextMethod, learned: Learned, device: str | None) -> float:
        """Return the figure on the clouds that are scored on; leaves the method and all randomness as they were."""

    @abstractmethod
    def score(
        self, method: PretextMethod, learned: Learned, *, scored_on: str, epochs: list[float], device: str | None
    ) -> Any:
        """Return the dataclass that `run/scores.json` holds; `epochs` are the figures of those, where measured."""


def train_supervised(
    task: Task,
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
    """Train a network, score it, and return the run's folder.

    Args:
        task: what is learned.
        config: every setting; what it leaves to the data is filled in.
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
        learned = task.fit(described(config, backbone, None), data, labels)
        config, splits = learned.config, learned.splits
        before = begun(run) if resume else None
        method = _built(config, backbone)
        if backbone is not None:  # it is trained from the weights it has
            start: dict[str, str] | None = weights_note(backbone)
        else:
            start = initialise(method, config, init_from, before, run)
        notes: dict[str, Any] = {
            "start": start,
            "labels": asdict(labels),
            **learned.notes,
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
            _train(task, learned, run, method, before or notes, resume=resume, device=device)
        else:
            sweep(run)
    return run


def resume_supervised(task: Task, run: Path | str, *, device: str | None = None) -> Path:
    """Go on with a run that was stopped; its settings, labels and start are its own. Raises as `train_classifier`."""
    folder = Path(run)
    if not layout.is_begun(folder) or not Run.open(folder).is_supervised:
        raise RunError(f"{folder} is no run of `pointssl train`; start one with: pointssl train RECIPE --out RUN")
    before = begun(folder)
    config = Run.open(folder).config
    if before is None:
        return train_supervised(task, config, folder, resume=True, device=device)
    labels = strict_json.structure(before["labels"], LabelConfig, f"{folder / layout.RECORD}: labels")
    epochs = bool(before.get("score_epochs"))
    return train_supervised(task, config, folder, labels=labels, score_epochs=epochs, resume=True, device=device)


def _train(
    task: Task,
    learned: Learned,
    run: Path,
    method: PretextMethod,
    notes: dict[str, Any],
    *,
    resume: bool,
    device: str | None,
) -> None:
    """Train `method` to the end and write the scores."""
    which = "validation" if notes["labels"]["validate"] else "test"
    named = f"{which}_{task.figure}"
    measure: Measure | None = None
    if notes["score_epochs"]:
        measure = lambda now: {named: task.measure(now, learned, device)}  # noqa: E731
    train(
        learned.config,
        run,
        learned.splits.train,
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
    epochs = [line[named] for line in read_metrics(run) if named in line]
    made = task.score(method, learned, scored_on=which, epochs=epochs, device=device)
    write_json(run / layout.SCORES, asdict(made))


def _built(config: PretrainConfig, backbone: Backbone | None) -> PretextMethod:
    """Build the method from the run's seed: whatever encoder it gets, the head is the same."""
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone) if backbone is None else copy.deepcopy(backbone)
    torch.manual_seed(seed_of(config.seed, 6))
    assert isinstance(config.method, MethodConfig)
    return build_method(config.method, backbone)


def _is_main() -> bool:
    """Whether this process writes; asked after training, when the processes may have parted already."""
    return (dist.get_rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))) == 0
