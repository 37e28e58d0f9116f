"""Do interactions move on with more pre-training, and with more labels: high orders up, low orders down?

Source: the second conclusion of Q. Li et al., "A Unified Approach to Interpreting Self-supervised Pre-training Methods
for 3D Point Clouds via Interactions", CVPR 2025. The parts of pre-training are theirs; the parts of the labels, the
tests and the rule of the verdict are ours (docs/studies.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pointssl.errors import SettingError
from pointssl.ops.evidence import HypothesisTest, holm_corrected, hypothesis
from pointssl.ops.rank_correlation import association
from pointssl.progress import say
from pointssl.study import pretrained
from pointssl.study.config import StudyConfig
from pointssl.study.cost import Cost, cost_of
from pointssl.study.groups import group, items, notes, shared
from pointssl.study.networks import Data, Job, Network, Networks
from pointssl.study.plan import SCRATCH, Members, Plan, carry_out
from pointssl.study.result import Study

FRACTIONS = (0.01, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
CONCLUSION = (
    "With more pre-training, and with more labels to fine-tune on, interactions of high order grow and those of low "
    "order shrink."
)


def run(
    data: Data,
    runs: Sequence[Path | str],
    out: Path | str,
    config: StudyConfig,
    *,
    parts: Sequence[float] = pretrained.PARTS,
    fractions: Sequence[float] = FRACTIONS,
) -> Study:
    """Fine-tune checkpoints along pre-training, and with more and more labels, and return what follows.

    Args:
        data: labelled clouds.
        runs: pre-trained runs that kept checkpoints at `parts`; those that differ by the seed alone are one arm.
        out: folder of the study; what an earlier call finished there is used.
        config: settings.
        parts: parts of pre-training, 0 start and 1 end; empty leaves this half out.
        fractions: parts of the labels, of every class at least one; empty leaves this half out.

    Raises:
        SettingError, DataError, RunError: what cannot be trained, measured or compared, before any training.
        Interrupted: the user stopped it; the same call goes on.
    """
    made = _plan(data, runs, Path(out), config, parts, fractions)
    return found(made, carry_out(made))


def cost(
    data: Data,
    runs: Sequence[Path | str],
    out: Path | str,
    config: StudyConfig,
    *,
    parts: Sequence[float] = pretrained.PARTS,
    fractions: Sequence[float] = FRACTIONS,
) -> Cost:
    """Return what `run` will cost; nothing is written."""
    made = _plan(data, runs, Path(out), config, parts, fractions)
    return cost_of(made.networks, made.jobs)


def _plan(
    data: Data,
    runs: Sequence[Path | str],
    out: Path,
    config: StudyConfig,
    parts: Sequence[float],
    fractions: Sequence[float],
) -> Plan:
    for name, levels in (("parts", parts), ("fractions", fractions)):
        if levels and (len(set(levels)) < 3 or not all(0 <= one <= 1 for one in levels)):
            raise SettingError(f"{name} must be at least 3 different levels from 0 to 1, or none, got {list(levels)}")
    if not parts and not fractions:
        raise SettingError("give parts of pre-training, fractions of the labels, or both")
    if fractions and min(fractions) == 0:
        raise SettingError("fractions must be above 0; every class has at least one cloud anyway")
    kinds, recipe = pretrained.run_groups(runs, config.recipe)
    networks = Networks(data, replace(config, recipe=recipe), out)
    jobs = [*_along(kinds, config, sorted(parts)), *_amounts(kinds, config, _apart(networks, sorted(fractions)))]
    return Plan(networks=networks, kinds=kinds, jobs=tuple(jobs))


def _apart(networks: Networks, fractions: Sequence[float]) -> list[float]:
    """Return the parts of the labels that give more clouds than the smaller ones: of two alike, one is a level."""
    found: dict[int, float] = {}
    for fraction in fractions:
        count = networks.settings(Job(group="", seed=0, fraction=fraction))[2]
        if count in found:
            say(f"{fraction:.3g} of the labels are the same {count} clouds as {found[count]:.3g}; left out")
        found.setdefault(count, fraction)
    if fractions and len(found) < 3:
        raise SettingError(f"fractions must give at least 3 different numbers of clouds, got {sorted(found)}")
    return list(found.values())


def _along(kinds: Sequence[pretrained.RunGroup], config: StudyConfig, parts: Sequence[float]) -> Iterator[Job]:
    """Yield the trainings from checkpoints along pre-training."""
    for kind in kinds if parts else ():
        kept = {run: pretrained.kept(run, parts) for run in kind.runs}
        for part in parts:
            for place, seed in enumerate(config.seeds):
                run = kind.run(place)
                yield Job(
                    group=_pretraining(kind.name),
                    seed=seed,
                    start=pretrained.weights_of(run, part, kept[run][part]),
                    level=part,
                )


def _amounts(kinds: Sequence[pretrained.RunGroup], config: StudyConfig, fractions: Sequence[float]) -> Iterator[Job]:
    """Yield the trainings on parts of the labels."""
    for fraction in fractions:
        for place, seed in enumerate(config.seeds):
            yield Job(group=_labels(SCRATCH), seed=seed, fraction=fraction, level=fraction)
            for kind in kinds:
                start = pretrained.weights_of(kind.run(place))
                yield Job(group=_labels(kind.name), seed=seed, fraction=fraction, level=fraction, start=start)


def found(plan: Plan, members: Members) -> Study:
    """Return the study of measured networks, by arm and level."""
    claims = []
    for name in dict.fromkeys(name for name, _ in members):
        line = {level: one for (named, level), one in members.items() if named == name and level is not None}
        text = f"{name}: the more of it, the stronger the high orders and the weaker the low ones."
        claims.append((text, trend(name, list(line), list(line.values()))))
    return Study(
        name="scaling",
        conclusion=CONCLUSION,
        level="part of pre-training, or of the labels",
        claims=holm_corrected(claims),
        groups=tuple(group(name, one, level) for (name, level), one in members.items()),
        notes=notes(plan.networks, plan.kinds),
        **shared(plan.networks),
    )


def trend(name: str, levels: Sequence[float], line: Sequence[Sequence[Network]]) -> list[HypothesisTest]:
    """Return whether high orders rise and low orders fall with the level."""
    x = np.asarray(levels, dtype=np.float64)
    tests = []
    for which, claimed in (("high", 1), ("low", -1)):
        y = items(line, which)
        rho = association(np.broadcast_to(x, y.shape), y, together=False)
        tests.append(hypothesis(f"rank correlation of {which} orders and level, {name}", 1 if claimed > 0 else -1, rho))
    return tests


def _pretraining(name: str) -> str:
    return f"{name}, by pre-training"


def _labels(name: str) -> str:
    return f"{name}, by labels"
