"""A run, opened again: its settings, its record, its networks, and what it was trained on.

    run = Run.open("runs/a")                       a run, one of its checkpoints, its encoder folder, or hf:owner/model
    run = Run.open("runs/mine", backbone=net)      a run whose network was passed as an object, with that network

The record says what was trained on; the settings only say how to open it again.
"""

import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
import torch

from pointssl.backbones import Backbone, build_backbone
from pointssl.backbones.redraw import copied, redrawn
from pointssl.data.reading import ReadConfig, oriented
from pointssl.errors import RunError, SettingError
from pointssl.files import atomic_folder, write_json
from pointssl.methods import SUPERVISED, Classify, PointSegmenter, PretextMethod, Segment, build_method
from pointssl.methods.classify import CloudClassifier
from pointssl.runs import layout, seal, shipped, strict_json
from pointssl.runs.checkpoint import is_checkpoint, is_whole, undamaged, weights_of
from pointssl.runs.config import PretrainConfig, from_json, to_json
from pointssl.runs.fitting import BACKBONE, check_fitting, check_layers, check_shapes
from pointssl.runs.passed import Passed
from pointssl.runs.record import read_metrics
from pointssl.runs.scores import PointScores, Scores
from pointssl.runs.weights import load_weights, read_tensors, write_tensors

S = TypeVar("S", Scores, PointScores)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """The clouds of a run, as its record has them."""

    name: str
    """Of the data set, split included: `modelnet40/train`."""
    clouds: int | None
    """None for clouds without end."""
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.name} ({'no end of' if self.clouds is None else f'{self.clouds:,}'} clouds)"


@final
class Run:
    """A run, a checkpoint or an encoder folder; nothing but its settings is read before it is asked for."""

    def __init__(self, folder: Path, *, backbone: Backbone | None = None, method: PretextMethod | None = None) -> None:
        """Stand for `folder`; raises `RunError` where it holds no settings. `Run.open` also takes names."""
        self.folder = folder
        self.config: PretrainConfig = _read_config(folder)
        self._own_backbone = method.backbone if backbone is None and method is not None else backbone
        self._own_method = method

    @classmethod
    def open(
        cls, where: "Run | Path | str", *, backbone: Backbone | None = None, method: PretextMethod | None = None
    ) -> "Run":
        """Open a run, one of its checkpoints, an encoder folder, or `hf:owner/model` on the Hugging Face hub.

        `backbone` and `method` are the objects that were passed to `pretrain`, where some were; only their structure
        counts, they are left as they are. Raises `RunError`.
        """
        if isinstance(where, Run):
            if backbone is None and method is None:
                return where
            where = where.folder
        return cls(layout.existing(where), backbone=backbone, method=method)

    @property
    def name(self) -> str:
        """What to call the run: its folder."""
        return self.folder.resolve().name

    @cached_property
    def record(self) -> dict[str, Any]:
        """Versions, machine, command, data, and whatever else was noted; raises `RunError` where there is none."""
        found: dict[str, Any] = layout.read_json(self.folder / layout.RECORD)
        return found

    @property
    def trained_on(self) -> TrainedOn | None:
        """The clouds of the run; None where its record does not say, as in an encoder written by hand."""
        data: Any = self.record.get("data")
        try:
            clouds = None if data["clouds"] is None else int(data["clouds"])
            return TrainedOn(name=str(data["name"]), clouds=clouds, fingerprint=str(data["fingerprint"]))
        except (TypeError, KeyError, ValueError):
            return None

    @property
    def reading(self) -> ReadConfig:
        """How the run reads clouds; whatever its data set decided is said here."""
        data: Any = self.record.get("data")
        up = self.config.data.reading.up or (data.get("up") if isinstance(data, dict) else None)
        return replace(self.config.data.reading, up=up if up in ("x", "y", "z") else None)

    @property
    def is_unfinished(self) -> bool:
        """Whether this is a run whose training has not ended; checkpoints and encoders are no such runs."""
        return not layout.is_finished(self.folder) and (self.folder / layout.CHECKPOINTS).is_dir()

    @property
    def is_supervised(self) -> bool:
        """Whether the run learns from labels."""
        return is_supervised(self.config)

    @property
    def resume_command(self) -> str:
        """What to type to resume the run."""
        return resume_command(self.folder, self.config)

    @property
    def evaluation_folder(self) -> Path:
        """Where scores of the encoder are kept; those of an encoder of the package beside the user's own work."""
        if self.folder.parent == shipped.FOLDER:
            return Path(layout.EVALUATION) / self.folder.name
        return self.folder / layout.EVALUATION

    def evaluations(self) -> list[Path]:
        """Return the files of kept evaluations, which `evaluate.record.load` reads."""
        return sorted(self.evaluation_folder.glob("*.json"))

    def scores(self) -> Scores:
        """Return how the classifier did; raises `RunError` where it has not been scored or the file is damaged."""
        return self._scores(Scores)

    def point_scores(self) -> PointScores:
        """Return how the segmenter did; raises `RunError` as `scores`."""
        return self._scores(PointScores)

    def _scores(self, kind: type[S]) -> S:
        file = self.folder / layout.SCORES
        if not file.is_file():
            raise RunError(f"{self.folder} has no scores yet; let it finish with: {self.resume_command}")
        try:
            return strict_json.structure(layout.read_json(file), kind, str(file))
        except SettingError as error:
            raise RunError(f"{error}; delete the file and score again with: {self.resume_command}") from error

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of the metrics, oldest first: numbers by name, None where a figure was not finite."""
        return read_metrics(self.folder)

    def encoder(self) -> Backbone:
        """Return the encoder, on the CPU and in evaluation mode, wherever it was trained.

        Of a run, the finished encoder is taken, or else that of the last whole checkpoint; of a checkpoint with
        averaged weights, the average. Raises `RunError`.
        """
        folder = self._weights_folder()
        if self._own_backbone is None and not isinstance(self.config.backbone, Passed):
            check_fitting(self.config.backbone, folder)
        backbone = self._network()
        if not is_checkpoint(folder):
            file = folder / layout.WEIGHTS
            load_weights(backbone, read_tensors(file), file)
            return backbone.eval()
        file = weights_of(folder)
        tensors = {k.removeprefix(BACKBONE): v for k, v in read_tensors(file).items() if k.startswith(BACKBONE)}
        load_weights(backbone, tensors, file)
        return backbone.eval()

    def untrained(self, seed: int) -> Backbone:
        """Return the random-init baseline: the encoder as it would be before training, its weights drawn from `seed`.

        Raises `RunError` where the network was passed as an object and has weights that cannot be drawn again.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            own = self._own_backbone if isinstance(self.config.backbone, Passed) else None
            return (self._network() if own is None else redrawn(own)).eval()

    def method(self) -> PretextMethod:
        """Return the whole method, heads included, on the CPU and in evaluation mode.

        A finished encoder has no heads; a run that has one is read from its last checkpoint. Raises `RunError`.
        """
        folder = self.folder
        if not is_checkpoint(folder):
            if not (folder / layout.CHECKPOINTS).is_dir():
                raise RunError(f"{folder} holds an encoder alone; the whole method needs a run or its checkpoint")
            folder = self._last_checkpoint()
        file = weights_of(folder)
        if self._own_method is not None:
            method = copied(self._own_method)
        elif isinstance(self.config.method, Passed):
            raise RunError(self._passed("method", self.config.method))
        else:
            settings = oriented(self.config.method, self.reading.up or "y")
            if self._own_backbone is None and not isinstance(self.config.backbone, Passed):
                check_layers(self.config.backbone, file)
                check_shapes(lambda: build_method(settings, self._network()), file)
            method = build_method(settings, self._network())
        load_weights(method, read_tensors(file), file)
        return method.eval()

    def classifier(self) -> CloudClassifier:
        """Return the classifier, clouds (b, n, 3) to logits (b, k), on the CPU and in evaluation mode.

        It has `backbone`, `head` and `classes`, the names in the order of the logits. Raises `RunError`.
        """
        method = self.method()
        if not isinstance(method, Classify):
            raise RunError(
                f"{self.folder} holds an encoder, no classifier; train one with: pointssl train RECIPE --init-from "
                f"{self.folder}"
            )
        names = self.record.get("training", {}).get("classes", ())
        return CloudClassifier(method.backbone, method.head, tuple(names)).eval()

    def segmenter(self) -> PointSegmenter:
        """Return the segmenter, clouds (b, n, 3) to logits (b, n, k), on the CPU and in evaluation mode.

        It has `backbone`, `head`, `parts`, the names in the order of the logits, and `allowed`, the parts of each class
        of clouds. Raises `RunError`.
        """
        method = self.method()
        if not isinstance(method, Segment):
            raise RunError(
                f"{self.folder} tells no points apart; train a run that does with: pointssl train segment-pointnet "
                f"--data PATH --init-from {self.folder}"
            )
        notes = self.record.get("training", {})
        allowed = np.array(notes["allowed"], dtype=bool) if "allowed" in notes else None
        return method.segmenter(tuple(notes.get("classes", ())), allowed).eval()

    @property
    def _is_encoder(self) -> bool:
        return (self.folder / layout.WEIGHTS).is_file() and not is_checkpoint(self.folder)

    def _network(self) -> Backbone:
        """Return the network, with any weights."""
        if self._own_backbone is not None:
            return copied(self._own_backbone)
        if isinstance(self.config.backbone, Passed):
            raise RunError(self._passed("backbone", self.config.backbone))
        return build_backbone(self.config.backbone)

    def _passed(self, what: str, passed: Passed) -> str:
        return (
            f"the {what} of {self.folder} was passed as an object ({passed.class_name}), so only Python can open it: "
            f"pass the same object, as in pointssl.Run.open({str(self.folder)!r}, {what}=...)"
        )

    def _weights_folder(self) -> Path:
        """Find the folder that holds the weights to read: an encoder or a whole checkpoint."""
        folder = self.folder
        if is_checkpoint(folder):
            if not is_whole(folder):
                raise RunError(f"checkpoint {folder} is half written: files that it lists are missing or cut short")
            seal.check(folder / layout.STATE)
            return folder
        if self._is_encoder:
            return folder
        return folder / layout.ENCODER if layout.is_finished(folder) else self._last_checkpoint()

    def _last_checkpoint(self) -> Path:
        last = undamaged(self.folder)
        if last is None:
            raise RunError(
                f"{self.folder} holds no whole checkpoint yet; let it train, or resume it with `{self.resume_command}`"
            )
        return last


def load(where: Run | Path | str, *, backbone: Backbone | None = None) -> Backbone:
    """Return the encoder of a run, as `Run.open(where, backbone=backbone).encoder()` does."""
    return Run.open(where, backbone=backbone).encoder()


def is_supervised(config: PretrainConfig) -> bool:
    """Tell whether a run of these settings learns from labels."""
    return isinstance(config.method, tuple(settings for settings, _ in SUPERVISED.values()))


def resume_command(folder: Path, config: PretrainConfig) -> str:
    """Return what to type to resume the run in `folder`."""
    return f"pointssl {'train' if is_supervised(config) else 'pretrain'} --resume {shlex.quote(str(folder))}"


def write_encoder(backbone: Backbone, config: PretrainConfig, record: dict[str, Any], folder: Path) -> None:
    """Write an encoder folder, atomically; `folder` must not exist yet."""
    with atomic_folder(folder) as partial:
        write_tensors(partial / layout.WEIGHTS, backbone.state_dict())
        write_json(partial / layout.CONFIG, to_json(config))
        write_json(partial / layout.RECORD, record)


def _read_config(folder: Path) -> PretrainConfig:
    file = folder / layout.CONFIG
    try:
        return from_json(layout.read_json(file), str(file))
    except SettingError as error:
        raise RunError(str(error)) from error
