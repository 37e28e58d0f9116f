"""Do pre-trained networks use more complex structures, and simpler ones less, than the same networks from scratch?

Source: the first conclusion of Q. Li et al., "A Unified Approach to Interpreting Self-supervised Pre-training Methods
for 3D Point Clouds via Interactions", CVPR 2025. Tests, intervals and the verdict's rule are ours (docs/studies.md).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pointssl.ops.evidence import HypothesisTest, association, holm_corrected, hypothesis
from pointssl.study import pretrained
from pointssl.study.config import StudyConfig
from pointssl.study.cost import Cost, cost
from pointssl.study.groups import contrast, group, items, notes, shared
from pointssl.study.networks import Data, Job, Network, Networks
from pointssl.study.plan import SCRATCH, Plan, carry_out
from pointssl.study.result import Contrast, Study

CONCLUSION = (
    "Pre-trained networks have stronger interactions of high order and weaker ones of low order than networks from "
    "scratch, and networks with stronger high orders are more accurate."
)


def pretraining(
    data: Data, runs: Sequence[Path | str], out: Path | str, config: StudyConfig, *, fraction: float = 1.0
) -> Study:
    """Train from scratch and from every run with one recipe, measure all, and return what follows for conclusion 1.

    Args:
        data: labelled clouds; a set without a test split has a fifth of every class held out.
        runs: pre-trained runs; those whose settings differ by the seed alone are one arm.
        out: folder of the study; what an earlier call finished there is used.
        config: settings.
        fraction: part of the labels.

    Raises:
        SettingError, DataError, RunError: what cannot be trained, measured or compared, before any training.
        Interrupted: the user stopped it; the same call goes on.
    """
    made = _plan(data, runs, Path(out), config, fraction)
    members = {name: one for (name, _), one in carry_out(made).items()}
    return found(made.networks, members, made.kinds)


def pretraining_cost(
    data: Data, runs: Sequence[Path | str], out: Path | str, config: StudyConfig, *, fraction: float = 1.0
) -> Cost:
    """Return what `pretraining` will cost; nothing is written."""
    made = _plan(data, runs, Path(out), config, fraction)
    return cost(made.networks, made.jobs)


def found(networks: Networks, members: dict[str, list[Network]], kinds: Sequence[pretrained.Kind]) -> Study:
    """Return the study of measured networks: arms by name, from scratch first, one network per seed."""
    scratch, *arms = members
    claims = [
        (
            f"From {name}: stronger high orders and weaker low orders than from scratch.",
            tests_of(contrast(name, members[name], scratch, members[scratch])),
        )
        for name in arms
    ]
    if len(members) > 2:
        every = list(members.values())
        rho = association(items(every, "high"), items(every, "accuracy"), together=True)
        what = f"rank correlation of high orders and accuracy over {len(every)} ways to begin"
        claims.append(("Networks with stronger high orders are more accurate.", [hypothesis(what, 1, rho)]))
    few = (
        f"{len(members)} ways to begin: chance alone ranks them like accuracy too often to decide; five or more may do."
    )
    return Study(
        name="pretraining",
        conclusion=CONCLUSION,
        level="",
        claims=holm_corrected(claims),
        groups=tuple(group(name, one) for name, one in members.items()),
        contrasts=tuple(contrast(name, members[name], scratch, members[scratch]) for name in arms),
        notes=notes(networks, kinds) + ((few,) if 2 < len(members) < 5 else ()),
        **shared(networks),
    )


def tests_of(gap: Contrast) -> list[HypothesisTest]:
    """Return the two checks of conclusion 1 on a pre-trained arm less the one from scratch."""
    return [
        hypothesis(f"high orders, {gap.name} less {gap.less}", 1, gap.high),
        hypothesis(f"low orders, {gap.name} less {gap.less}", -1, gap.low),
    ]


def _plan(data: Data, runs: Sequence[Path | str], out: Path, config: StudyConfig, fraction: float) -> Plan:
    kinds, recipe = pretrained.kinds(runs, config.recipe)
    networks = Networks(data, replace(config, recipe=recipe), out)
    jobs = [Job(group=SCRATCH, seed=seed, fraction=fraction) for seed in config.seeds]
    for kind in kinds:
        for place, seed in enumerate(config.seeds):
            jobs.append(Job(group=kind.name, seed=seed, fraction=fraction, start=pretrained.of_run(kind.run(place))))
    return Plan(networks=networks, kinds=kinds, jobs=tuple(jobs))
