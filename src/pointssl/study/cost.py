"""What a study will cost before it starts: its trainings by a few real steps, its measurements by one real cloud."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pointssl.backbones import build_backbone
from pointssl.interpret.measurement import interact
from pointssl.interpret.players import Clouds
from pointssl.methods import build_method
from pointssl.methods.classify import Classify, CloudClassifier
from pointssl.runs.checkpoint import latest, step_of
from pointssl.study.networks import Job, Networks
from pointssl.train.estimate import duration, estimate

STEPS = 3
"""Real steps that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What is left to do, and how long it will take on this machine."""

    trainings: int
    """Not finished yet."""
    finished: int
    updates: int
    """Left in all trainings."""
    seconds_per_update: float
    measurements: int
    """Networks whose interactions are not measured yet."""
    forwards: int
    """Clouds that their measurement shows to networks, masked or whole."""
    seconds_per_measurement: float

    @property
    def seconds(self) -> float:
        """Of all that is left."""
        return self.updates * self.seconds_per_update + self.measurements * self.seconds_per_measurement

    def table(self) -> list[tuple[str, str]]:
        """Return the figures as rows of a name and a text."""
        return [
            ("trainings to do", f"{self.trainings} ({self.finished} are finished)"),
            ("updates", f"{self.updates:,}, {self.seconds_per_update * 1000:,.0f} ms each"),
            (
                "networks to measure",
                f"{self.measurements} ({self.forwards:,} coalitions), {duration(self.seconds_per_measurement)} each",
            ),
            ("time in all", duration(self.seconds)),
        ]


def together(costs: Sequence[Cost]) -> Cost:
    """Return the cost of several data sets' trainings as one."""
    updates, measurements = sum(one.updates for one in costs), sum(one.measurements for one in costs)
    training = sum(one.updates * one.seconds_per_update for one in costs)
    measuring = sum(one.measurements * one.seconds_per_measurement for one in costs)
    return Cost(
        trainings=sum(one.trainings for one in costs),
        finished=sum(one.finished for one in costs),
        updates=updates,
        seconds_per_update=training / max(1, updates),
        measurements=measurements,
        forwards=sum(one.forwards for one in costs),
        seconds_per_measurement=measuring / max(1, measurements),
    )


def cost_of(networks: Networks, jobs: Sequence[Job], *, measure: bool = True) -> Cost:
    """Return what `jobs` will cost; nothing is written, and nothing is timed where nothing is left.

    Finds the same faults as training would, with the same errors.
    """
    by_folder = {networks.folder(job): job for job in jobs}
    left = {folder: job for folder, job in by_folder.items() if not networks.finished(job)}
    updates = sum(_left(networks, folder, job) for folder, job in left.items())
    device = networks.config.device
    per_update = 0.0
    if left:
        config, clouds_of = networks.fitted(max(left.values(), key=lambda one: one.fraction))
        per_update = estimate(config, data=clouds_of, device=device, steps=STEPS).seconds_per_step
    waiting = [job for job in by_folder.values() if not networks.table_of(job).is_file()] if measure else []
    clouds = min(networks.config.interact.clouds, len(networks.splits.test))
    return Cost(
        trainings=len(left),
        finished=len(by_folder) - len(left),
        updates=updates,
        seconds_per_update=per_update,
        measurements=len(waiting),
        forwards=len(waiting) * clouds * 2**networks.config.interact.regions,
        seconds_per_measurement=_one_cloud(networks, waiting[0]) * clouds if waiting else 0.0,
    )


def _left(networks: Networks, folder: Path, job: Job) -> int:
    """Return the updates that a training still has to make."""
    steps = networks.settings(job)[0].steps
    last = latest(folder) if folder.is_dir() else None
    assert steps is not None
    return max(0, steps - (0 if last is None else step_of(last)))


def _one_cloud(networks: Networks, job: Job) -> float:
    """Return the seconds of measuring one cloud with an untrained network."""
    config, measured = networks.fitted(job)[0], networks.config.measured
    with torch.random.fork_rng(devices=[]):
        built = build_method(config.method, build_backbone(config.backbone))
    assert isinstance(built, Classify)
    network = CloudClassifier(built.backbone, built.head, networks.splits.test.classes)
    whole = networks.clouds()
    some = 1 if len(whole.index) < 4 else 4
    for count in (1, some):  # the first call warms up; a slow one is enough
        began = time.perf_counter()
        part = Clouds(*(getattr(whole, name)[:count] for name in ("index", "label", "xyz", "region")))
        interact({"cost": network}, networks.splits.test, replace(measured, clouds=count), clouds=part)
        each = (time.perf_counter() - began) / count
        if each > 1:
            break
    return each
