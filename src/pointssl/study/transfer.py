"""Does what pre-training adds to interactions of high order help elsewhere, or does it fit the task at hand too well?

Source: the third conclusion of Q. Li et al., "A Unified Approach to Interpreting Self-supervised Pre-training Methods
for 3D Point Clouds via Interactions", CVPR 2025. How they measured transfer is not public; the three protocols, the
tests and the rule of the verdict are ours (docs/studies.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from pointssl.data.splits import Splits, open_splits
from pointssl.errors import SettingError
from pointssl.evaluate.features import Reading
from pointssl.ops.evidence import HypothesisTest, association, holm_corrected, hypothesis
from pointssl.progress import say
from pointssl.study import pretrained
from pointssl.study.config import StudyConfig
from pointssl.study.cost import Cost, cost, together
from pointssl.study.downstream import Right, Shots, differences, probes
from pointssl.study.groups import contrast, group, items, notes, shared
from pointssl.study.interaction_overlap import of_arms
from pointssl.study.networks import Data, Job, Networks
from pointssl.study.plan import SCRATCH, Members, Plan, members, tell
from pointssl.study.result import Study
from pointssl.study.some_classes import SeenUnseen, leave_out

CONCLUSION = (
    "With more labels the advantage of pre-training in accuracy shrinks while its excess of high orders grows; the "
    "excess does not carry over to other classes and data, and high orders recur less in other networks of the task."
)
DECIDES = "linear SVM"
"""The probe that the claim about transfer rests on; the others are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferConfig:
    """What transfer is measured by."""

    fractions: tuple[float, ...] = (0.1, 0.3, 1.0)
    """Amounts of labels; transfer itself is measured at the largest."""
    unseen: float = 0.25
    """Part of the classes that are left out of training in protocol A; other ones for every seed."""
    shots: Shots = field(default_factory=Shots)
    """Few shots of the unseen classes."""

    def __post_init__(self) -> None:
        if len(set(self.fractions)) < 3 or not all(0 < one <= 1 for one in self.fractions):
            raise ValueError(f"fractions must be at least 3 different parts in (0, 1], got {self.fractions}")
        if not 0 < self.unseen < 1:
            raise ValueError(f"unseen must be above 0 and below 1, got {self.unseen}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plans:
    """The trainings on all classes, and for every seed those on the classes that it sees."""

    whole: Plan
    seen: tuple[tuple[SeenUnseen, Plan], ...]
    other: Splits | None


def transfer(
    data: Data,
    runs: Sequence[Path | str],
    out: Path | str,
    config: StudyConfig,
    *,
    other: Data | None = None,
    settings: TransferConfig | None = None,
) -> Study:
    """Compare pre-trained with scratch by amount of labels, and elsewhere, and return what follows for conclusion 3.

    Args:
        data: labelled clouds to train on.
        runs: pre-trained runs; those that differ by the seed alone are one arm.
        out: folder of the study; what an earlier call finished there is used.
        config: settings of training and measurement.
        other: another labelled data set for protocol B, which is left out without.
        settings: what transfer is measured by.

    Raises:
        SettingError, DataError, RunError: what cannot be trained, measured or compared, before any training.
        Interrupted: the user stopped it; the same call goes on.
    """
    settings = settings or TransferConfig()
    made = _plans(data, runs, Path(out), config, other, settings)
    tell(_cost(made))
    for plan in (made.whole, *(plan for _, plan in made.seen)):
        plan.networks.train(plan.jobs)
    found = members(made.whole)
    return _found(made, found, _elsewhere(made, settings), settings)


def transfer_cost(
    data: Data,
    runs: Sequence[Path | str],
    out: Path | str,
    config: StudyConfig,
    *,
    other: Data | None = None,
    settings: TransferConfig | None = None,
) -> Cost:
    """Return what `transfer` will cost, apart from its probes; nothing is written."""
    return _cost(_plans(data, runs, Path(out), config, other, settings or TransferConfig()))


def _plans(
    data: Data,
    runs: Sequence[Path | str],
    out: Path,
    config: StudyConfig,
    other: Data | None,
    settings: TransferConfig,
) -> _Plans:
    kinds, recipe = pretrained.kinds(runs, config.recipe)
    if SCRATCH in (kind.name for kind in kinds):
        raise SettingError(f"a run must not be called {SCRATCH}")
    config = replace(config, recipe=recipe)
    networks = Networks(data, config, out)
    fractions = sorted(settings.fractions)
    jobs = [one for fraction in fractions for one in _jobs(kinds, config, fraction, fraction)]
    seen = []
    for place, seed in enumerate(config.seeds):
        parted = leave_out(networks.splits, settings.unseen, seed)
        mine = [one for one in _jobs(kinds, config, fractions[-1], None) if one.seed == seed]
        seen.append((parted, Plan(networks=Networks(parted.seen, config, out), kinds=kinds, jobs=tuple(mine))))
        assert config.seeds[place] == seed
    whole = Plan(networks=networks, kinds=kinds, jobs=tuple(jobs))
    return _Plans(whole=whole, seen=tuple(seen), other=None if other is None else open_splits(other))


def _jobs(kinds: Sequence[pretrained.Kind], config: StudyConfig, fraction: float, level: float | None) -> list[Job]:
    """Return one training of every arm and seed."""
    made = [Job(group=SCRATCH, seed=seed, fraction=fraction, level=level) for seed in config.seeds]
    for kind in kinds:
        for place, seed in enumerate(config.seeds):
            start = pretrained.of_run(kind.run(place))
            made.append(Job(group=kind.name, seed=seed, fraction=fraction, level=level, start=start))
    return made


def _cost(made: _Plans) -> Cost:
    apart = [cost(plan.networks, plan.jobs, measure=False) for _, plan in made.seen]
    return together([cost(made.whole.networks, made.whole.jobs), *apart])


def _elsewhere(made: _Plans, settings: TransferConfig) -> dict[tuple[str, str], dict[str, list[Right]]]:
    """Return what the frozen encoders of every arm get right, a list over seeds, by protocol and probe."""
    networks = made.whole.networks
    data, cache = networks.config.recipe.data, networks.out / "features"
    reading = Reading(
        points=data.points, normalise=data.normalise, allow_repeats=data.allow_repeats, device=networks.config.device
    )
    found: dict[tuple[str, str], dict[str, list[Right]]] = {}

    def add(protocol: str, job: Job, right: dict[str, Right]) -> None:
        for name, values in right.items():
            found.setdefault((protocol, name), {}).setdefault(job.group, []).append(values)

    for parted, plan in made.seen:
        for job in plan.jobs:
            say(f"unseen classes, seed {job.seed}: {job.group}")
            run = plan.networks.folder(job)
            add("A: unseen classes", job, probes(run, parted.unseen, reading, cache, settings.shots, seed=job.seed))
    if made.other is not None:
        pair = (made.other.train, made.other.test)
        for job in made.whole.jobs:
            if job.fraction == max(settings.fractions):
                say(f"{made.other.name}, seed {job.seed}: {job.group}")
                right = probes(networks.folder(job), pair, reading, cache, None, seed=job.seed)
                add(f"B: {made.other.name}", job, right)
    return found


def _found(
    made: _Plans,
    found: Members,
    elsewhere: dict[tuple[str, str], dict[str, list[Right]]],
    settings: TransferConfig,
) -> Study:
    plan, fractions = made.whole, sorted(settings.fractions)
    names = [kind.name for kind in plan.kinds]
    transfers = [one for name in names for one in differences(name, elsewhere, SCRATCH)]
    display, regions = plan.networks.config.display, plan.networks.config.interact.regions
    recurrences, recur = of_arms({name: found[name, fractions[-1]] for name in (SCRATCH, *names)}, display, regions)
    claims: list[tuple[str, list[HypothesisTest]]] = []
    for name in names:
        high, accuracy = (_gaps(found, name, which, fractions) for which in ("high", "accuracy"))
        level = np.broadcast_to(np.asarray(fractions, dtype=np.float64), high.shape)
        less, more = association(level, accuracy, together=False), association(level, high, together=False)
        claims += [
            (
                f"{name}: the more labels, the smaller its advantage in accuracy over scratch.",
                [hypothesis("rank correlation of the accuracy gap and labels", -1, less)],
            ),
            (
                f"{name}: the more labels, the larger its excess of high orders over scratch.",
                [hypothesis("rank correlation of the high-order gap and labels", 1, more)],
            ),
            (
                f"{name}: its frozen features are worth less than those from scratch elsewhere.",
                [
                    hypothesis(f"{one.protocol}, {one.probe}", -1, one.difference)
                    for one in transfers
                    if one.name == name and one.probe == DECIDES
                ],
            ),
        ]
    if recur:
        claims.append(("High orders recur less in other networks of the same task than low orders do.", recur))
    return Study(
        name="transfer",
        conclusion=CONCLUSION,
        level="part of the labels",
        claims=holm_corrected(claims),
        groups=tuple(group(name, one, level) for (name, level), one in found.items()),
        contrasts=tuple(
            contrast(name, found[name, level], SCRATCH, found[SCRATCH, level], level)
            for name in names
            for level in fractions
        ),
        transfers=tuple(transfers),
        recurrences=tuple(recurrences),
        notes=notes(plan.networks, plan.kinds)
        + (() if recur else ("One seed: no other network of the same task, so nothing is said of recurrence.",)),
        **shared(plan.networks),
    )


def _gaps(found: Members, name: str, which: str, fractions: Sequence[float]) -> Float64[np.ndarray, "k s i"]:
    """Return one figure of an arm less that of scratch: (seed, resample, amount of labels)."""
    gap: Float64[np.ndarray, "k s i"] = items([found[name, level] for level in fractions], which) - items(
        [found[SCRATCH, level] for level in fractions], which
    )
    return gap
