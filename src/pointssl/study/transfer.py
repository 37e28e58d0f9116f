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

from pointssl.data.class_split import ClassSplit, class_split
from pointssl.data.splits import Splits, open_splits
from pointssl.errors import SettingError
from pointssl.evaluation.features import EncodeConfig
from pointssl.ops.evidence import HypothesisTest, holm_corrected, hypothesis
from pointssl.ops.rank_correlation import association
from pointssl.progress import say
from pointssl.settings import require_finite
from pointssl.study import pretrained
from pointssl.study.config import StudyConfig
from pointssl.study.cost import Cost, cost_of, together
from pointssl.study.downstream import Correctness, Elsewhere, Shots, evaluate_frozen, transfer_differences
from pointssl.study.groups import difference, group, items, notes, shared
from pointssl.study.interaction_overlap import overlaps_of
from pointssl.study.networks import Data, Job, Networks
from pointssl.study.plan import SCRATCH, Members, Plan, members, tell
from pointssl.study.result import Study

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
    novel: float = 0.25
    """Part of the classes that are left out of training in protocol A; other ones for every seed."""
    shots: Shots = field(default_factory=Shots)
    """Few shots of the novel classes."""

    def __post_init__(self) -> None:
        require_finite(self)
        if len(set(self.fractions)) < 3 or not all(0 < one <= 1 for one in self.fractions):
            raise ValueError(f"fractions must be at least 3 different parts in (0, 1], got {self.fractions}")
        if not 0 < self.novel < 1:
            raise ValueError(f"novel must be above 0 and below 1, got {self.novel}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plans:
    """The trainings on all classes, and for every seed those on its base classes."""

    whole: Plan
    base: tuple[tuple[ClassSplit, Plan], ...]
    other: Splits | None


def run(
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
    for plan in (made.whole, *(plan for _, plan in made.base)):
        plan.networks.train(plan.jobs)
    return found(made.whole, members(made.whole), _elsewhere(made, settings))


def cost(
    data: Data,
    runs: Sequence[Path | str],
    out: Path | str,
    config: StudyConfig,
    *,
    other: Data | None = None,
    settings: TransferConfig | None = None,
) -> Cost:
    """Return what `run` will cost, apart from its probes; nothing is written."""
    return _cost(_plans(data, runs, Path(out), config, other, settings or TransferConfig()))


def _plans(
    data: Data,
    runs: Sequence[Path | str],
    out: Path,
    config: StudyConfig,
    other: Data | None,
    settings: TransferConfig,
) -> _Plans:
    kinds, recipe = pretrained.run_groups(runs, config.recipe)
    if SCRATCH in (kind.name for kind in kinds):
        raise SettingError(f"a run must not be called {SCRATCH}")
    config = replace(config, recipe=recipe)
    networks = Networks(data, config, out)
    fractions = sorted(settings.fractions)
    jobs = [one for fraction in fractions for one in _jobs(kinds, config, fraction, fraction)]
    base = []
    for place, seed in enumerate(config.seeds):
        parted = class_split(networks.splits, settings.novel, seed)
        mine = [one for one in _jobs(kinds, config, fractions[-1], None) if one.seed == seed]
        base.append((parted, Plan(networks=Networks(parted.base, config, out), kinds=kinds, jobs=tuple(mine))))
        assert config.seeds[place] == seed
    whole = Plan(networks=networks, kinds=kinds, jobs=tuple(jobs))
    return _Plans(whole=whole, base=tuple(base), other=None if other is None else open_splits(other))


def _jobs(kinds: Sequence[pretrained.RunGroup], config: StudyConfig, fraction: float, level: float | None) -> list[Job]:
    """Return one training of every arm and seed."""
    made = [Job(group=SCRATCH, seed=seed, fraction=fraction, level=level) for seed in config.seeds]
    for kind in kinds:
        for place, seed in enumerate(config.seeds):
            start = pretrained.weights_of(kind.run(place))
            made.append(Job(group=kind.name, seed=seed, fraction=fraction, level=level, start=start))
    return made


def _cost(made: _Plans) -> Cost:
    apart = [cost_of(plan.networks, plan.jobs, measure=False) for _, plan in made.base]
    return together([cost_of(made.whole.networks, made.whole.jobs), *apart])


def _elsewhere(made: _Plans, settings: TransferConfig) -> Elsewhere:
    """Return what the frozen encoders of every arm get right, a list over seeds, by protocol and probe."""
    networks = made.whole.networks
    cache = networks.out / "features"
    config = EncodeConfig(reading=networks.config.recipe.data.reading, device=networks.config.device)
    found: Elsewhere = {}

    def add(protocol: str, job: Job, right: dict[str, Correctness]) -> None:
        for name, values in right.items():
            found.setdefault((protocol, name), {}).setdefault(job.group, []).append(values)

    for parted, plan in made.base:
        for job in plan.jobs:
            say(f"novel classes, seed {job.seed}: {job.group}")
            run = plan.networks.folder(job)
            add(
                "A: novel classes",
                job,
                evaluate_frozen(run, parted.novel, config, cache, settings.shots, seed=job.seed),
            )
    if made.other is not None:
        pair = (made.other.train, made.other.test)
        for job in made.whole.jobs:
            if job.fraction == max(settings.fractions):
                say(f"{made.other.name}, seed {job.seed}: {job.group}")
                right = evaluate_frozen(networks.folder(job), pair, config, cache, None, seed=job.seed)
                add(f"B: {made.other.name}", job, right)
    return found


def found(plan: Plan, arms: Members, elsewhere: Elsewhere) -> Study:
    """Return the study of measured networks by arm and amount of labels, and of their frozen encoders elsewhere."""
    fractions = sorted({level for _, level in arms if level is not None})
    names = [kind.name for kind in plan.kinds]
    transfers = [one for name in names for one in transfer_differences(name, elsewhere, SCRATCH)]
    display, regions = plan.networks.config.display, plan.networks.config.interact.regions
    overlaps, high_less_low = overlaps_of(
        {name: arms[name, fractions[-1]] for name in (SCRATCH, *names)}, display, regions
    )
    claims: list[tuple[str, list[HypothesisTest]]] = []
    for name in names:
        high, accuracy = (_gaps(arms, name, which, fractions) for which in ("high", "accuracy"))
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
    if high_less_low:
        claims.append(("High orders recur less in other networks of the same task than low orders do.", high_less_low))
    return Study(
        name="transfer",
        conclusion=CONCLUSION,
        level="part of the labels",
        claims=holm_corrected(claims),
        groups=tuple(group(name, one, level) for (name, level), one in arms.items()),
        differences=tuple(
            difference(name, arms[name, level], SCRATCH, arms[SCRATCH, level], level)
            for name in names
            for level in fractions
        ),
        transfers=tuple(transfers),
        overlaps=tuple(overlaps),
        notes=notes(plan.networks, plan.kinds)
        + (() if high_less_low else ("One seed: no other network of the same task, so nothing is said of overlap.",)),
        **shared(plan.networks),
    )


def _gaps(arms: Members, name: str, which: str, fractions: Sequence[float]) -> Float64[np.ndarray, "k s i"]:
    """Return one figure of an arm less that of scratch: (seed, resample, amount of labels)."""
    gap: Float64[np.ndarray, "k s i"] = items([arms[name, level] for level in fractions], which) - items(
        [arms[SCRATCH, level] for level in fractions], which
    )
    return gap
