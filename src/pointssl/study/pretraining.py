"""Do pre-trained networks use more complex structures, and simpler ones less, than the same networks from scratch?

Source: the first conclusion of Q. Li et al., "A Unified Approach to Interpreting Self-supervised Pre-training Methods
for 3D Point Clouds via Interactions", CVPR 2025. Tests, intervals and the verdict's rule are ours (docs/studies.md).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pointssl.ops.evidence import HypothesisTest, holm_corrected, hypothesis
from pointssl.ops.rank_correlation import association
from pointssl.study import pretrained
from pointssl.study.config import StudyConfig
from pointssl.study.cost import Cost, cost_of
from pointssl.study.groups import difference, group, items, notes, shared
from pointssl.study.networks import Data, Job, Network, Networks
from pointssl.study.plan import SCRATCH, Plan, carry_out
from pointssl.study.result import Difference, Study

FEWEST_RANKS = 5
"""Ways to begin from which on ranks can decide: two of the 24 orders of four lie as far out as the best (p 0.083)."""
CONCLUSION = (
    "Pre-trained networks have stronger interactions of high order and weaker ones of low order than networks from "
    "scratch, and networks with stronger high orders are more accurate."
)


def run(
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


def cost(
    data: Data, runs: Sequence[Path | str], out: Path | str, config: StudyConfig, *, fraction: float = 1.0
) -> Cost:
    """Return what `run` will cost; nothing is written."""
    made = _plan(data, runs, Path(out), config, fraction)
    return cost_of(made.networks, made.jobs)


def found(networks: Networks, members: dict[str, list[Network]], kinds: Sequence[pretrained.RunGroup]) -> Study:
    """Return the study of measured networks: arms by name, from scratch first, one network per seed."""
    scratch, *arms = members
    gaps = [difference(name, members[name], scratch, members[scratch]) for name in arms]
    claims = [
        (f"From {gap.name}: stronger high orders and weaker low orders than from scratch.", tests_of(gap))
        for gap in gaps
    ]
    ranked = len(members) >= FEWEST_RANKS
    accurate = [accuracy_by_rank(list(members.values()))] if ranked else [accuracy_by_sign(gap) for gap in gaps]
    claims.append(("Networks with stronger high orders are more accurate.", accurate))
    few = (
        f"{len(members)} ways to begin: chance alone ranks them like accuracy too often for a rank correlation to "
        "decide; each arm is asked instead whether its accuracy differs from scratch's as its high orders do."
    )
    return Study(
        name="pretraining",
        conclusion=CONCLUSION,
        level="",
        claims=holm_corrected(claims),
        groups=tuple(group(name, one) for name, one in members.items()),
        differences=tuple(gaps),
        notes=notes(networks, kinds) + (() if ranked else (few,)),
        **shared(networks),
    )


def tests_of(gap: Difference) -> list[HypothesisTest]:
    """Return the two checks of conclusion 1 on a pre-trained arm less the one from scratch."""
    return [
        hypothesis(f"high orders, {gap.name} less {gap.less}", 1, gap.high),
        hypothesis(f"low orders, {gap.name} less {gap.less}", -1, gap.low),
    ]


def accuracy_by_rank(ways: Sequence[Sequence[Network]]) -> HypothesisTest:
    """Return whether the ways to begin are ranked alike by their high orders and by their accuracy."""
    rho = association(items(ways, "high"), items(ways, "accuracy"), together=True)
    return hypothesis(f"rank correlation of high orders and accuracy over {len(ways)} ways to begin", 1, rho)


def accuracy_by_sign(gap: Difference) -> HypothesisTest:
    """Return whether accuracy moves as the high orders do, from one arm to another.

    Nothing is asked of accuracy where the high orders themselves are not told apart: then their own test stands here,
    and leaves the claim open.
    """
    names = f"{gap.name} less {gap.less}"
    if gap.high.sign == 0:
        return hypothesis(f"high orders, {names}, to be told apart first", 1, gap.high)
    return hypothesis(f"accuracy, {names}, as its high orders", 1 if gap.high.sign > 0 else -1, gap.accuracy)


def _plan(data: Data, runs: Sequence[Path | str], out: Path, config: StudyConfig, fraction: float) -> Plan:
    kinds, recipe = pretrained.run_groups(runs, config.recipe)
    networks = Networks(data, replace(config, recipe=recipe), out)
    jobs = [Job(group=SCRATCH, seed=seed, fraction=fraction) for seed in config.seeds]
    for kind in kinds:
        for place, seed in enumerate(config.seeds):
            jobs.append(
                Job(group=kind.name, seed=seed, fraction=fraction, start=pretrained.weights_of(kind.run(place)))
            )
    return Plan(networks=networks, kinds=kinds, jobs=tuple(jobs))
