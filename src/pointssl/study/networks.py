"""Train and measure the networks of a study, each at most once: what is finished is found again by its folder's name.

out/runs/<start>-<percent>-s<seed>-<hash>/   one training; the hash is of all that decides it
out/interactions-<hash>/<the same>.npz       its table; the hash is of how it was measured
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Bool

from pointssl.data.cloud import Dataset
from pointssl.data.splits import Splits, open_splits
from pointssl.errors import Interrupted
from pointssl.interpret.measurement import interact
from pointssl.interpret.memory import check
from pointssl.interpret.players import Clouds, gather
from pointssl.interpret.table import InteractionTable
from pointssl.memory import free
from pointssl.ops.games.strength import is_salient
from pointssl.progress import say
from pointssl.runs import layout
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.run import Run
from pointssl.study.config import StudyConfig
from pointssl.study.figures import Figures, figures
from pointssl.study.pretrained import InitialWeights
from pointssl.train.classifier import fitted, load_classifier, train_classifier
from pointssl.train.labels import LabelConfig, divide, fit_batch

Data = str | tuple[Dataset, Dataset]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training."""

    group: str
    """The arm that it belongs to."""
    seed: int
    start: InitialWeights | None = None
    """Weights to start from; from scratch without."""
    fraction: float = 1.0
    """Part of the labels."""
    level: float | None = None
    """What tells this group from others of its line: part of the labels, or of pre-training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One trained and measured classifier."""

    job: Job
    run: Path
    figures: Figures
    salient: Bool[np.ndarray, "m c"]
    """Which interactions of every measured cloud are salient."""


@final
class Networks:
    """The trainings of one study on one data set."""

    def __init__(self, data: Data, config: StudyConfig, out: Path) -> None:
        """Open the data; raises `DataError` and `SettingError` for what cannot be trained on or measured."""
        self.config, self.out = config, out
        self.splits: Splits = open_splits(data)
        self.pair = (self.splits.train, self.splits.test)
        count = min(config.interact.clouds, len(self.splits.test))
        check(config.interact.regions, count, free())  # told before hours of training
        fitted(config.recipe, self.pair, LabelConfig())
        self._clouds: Clouds | None = None
        self._folders: dict[Job, Path] = {}

    def settings(self, job: Job) -> tuple[PretrainConfig, LabelConfig, int]:
        """Return the settings of one training, its labels, and how many clouds it learns from."""
        labels = LabelConfig(label_fraction=job.fraction, label_seed=job.seed)
        learned_from = len(divide(self.pair, labels).train)
        recipe = self.config.recipe
        recipe = fit_batch(replace(recipe, seed=job.seed), learned_from)
        steps = recipe.total_steps(max(1, learned_from // recipe.data.batch_size), recipe.data.batch_size)
        return replace(recipe, steps=max(steps, self.config.least_steps)), labels, learned_from

    def folder(self, job: Job) -> Path:
        """Return where the run of a training lies."""
        if job not in self._folders:
            config, labels, _ = self.settings(job)
            decides = [
                to_json(replace(config, data=replace(config.data, source="", workers=0))),
                asdict(labels),
                self.splits.train.fingerprint,
                self.splits.test.fingerprint,
                None if job.start is None else job.start.digest,
            ]
            name = "scratch" if job.start is None else job.start.name
            named = f"{name}-{100 * job.fraction:g}-s{job.seed}-{_hash(decides)}"
            self._folders[job] = self.out / "runs" / named
        return self._folders[job]

    def finished(self, job: Job) -> bool:
        """Whether a training and its scores are there."""
        return layout.is_scored(self.folder(job))

    def train(self, jobs: Iterable[Job]) -> None:
        """Train what is not there yet, one after the other; raises as `train_classifier`."""
        waiting = {self.folder(job): job for job in jobs if not self.finished(job)}
        for place, (folder, job) in enumerate(waiting.items()):
            say(f"training {place + 1} of {len(waiting)}: {folder.name}")
            config, labels, _ = self.settings(job)
            start = None if job.start is None else job.start.path
            try:
                resume = layout.is_begun(folder)
                train_classifier(
                    config,
                    folder,
                    data=self.pair,
                    labels=labels,
                    init_from=start,
                    resume=resume,
                    device=self.config.device,
                )
            except Interrupted as error:
                said = str(error).split(",")[0]
                raise Interrupted(f"{said}; the same `pointssl study` command goes on from there") from error

    def measured(self, jobs: Sequence[Job]) -> list[Network]:
        """Return the networks of finished trainings, all measured on the same clouds and regions."""
        return [self._network(job) for job in jobs]

    def table_of(self, job: Job) -> Path:
        """Return where the table of one network lies."""
        how = {k: v for k, v in asdict(self.config.measured).items() if k not in ("batch", "device", "max_pooled")}
        return self.out / f"interactions-{_hash(how)}" / f"{self.folder(job).name}.npz"

    def clouds(self) -> Clouds:
        """Return the clouds that all networks are measured on."""
        if self._clouds is None:
            self._clouds = gather(self.splits.test, self.config.measured)
        return self._clouds

    def _network(self, job: Job) -> Network:
        run, place = self.folder(job), self.table_of(job)
        network = load_classifier(run)
        table: InteractionTable = interact(
            {place.stem: network},
            self.splits.test,
            self.config.measured,
            out=place.parent,
            clouds=self.clouds(),
        )[place.stem]
        scores = Run.open(run).scores()
        right = np.array(scores.predictions) == np.array(scores.labels)
        salient = is_salient(table.dividends(), self.config.display.salient).numpy()
        return Network(job=job, run=run, figures=figures(table, right, self.config.display), salient=salient)

    def fitted(self, job: Job) -> tuple[PretrainConfig, Dataset]:
        """Return the settings of one training with the data's classes, and the clouds that it learns from."""
        config, labels, _ = self.settings(job)
        ready, splits = fitted(config, self.pair, labels)
        return ready, splits.train


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]
