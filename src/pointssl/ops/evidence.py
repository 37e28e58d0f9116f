"""From measured differences to a verdict: supported, not supported, or undecided at this number of seeds and clouds.

A figure is known for every seed, and for resampled clouds. Its variance has three parts: what another training would
change, what other clouds would change in all networks alike, and what they would change in each by itself. The last one
shows in the spread of the seeds and in that of the resamples; it is counted once. Half the interval is the root of two
squares: the t interval of the seeds and the normal interval of the clouds. How often that finds what is not there is
measured: `benchmarks/calibration.py`.

Source: variance over two crossed factors, A. B. Owen, "The Pigeonhole Bootstrap", Annals of Applied Statistics 2007,
and A. C. Cameron, J. B. Gelbach, D. L. Miller, "Robust Inference With Multiway Clustering", Journal of Business &
Economic Statistics 2011; limits of a sum from the squares of its parts' limits, W. G. Howe, "Approximate Confidence
Limits on the Mean of X + Y Where X and Y Are Two Tabled Independent Random Variables", JASA 1974; degrees of freedom of
two groups, B. L. Welch, "The Generalization of `Student's' Problem", Biometrika 1947; correction for several
comparisons, S. Holm, 1979. The verdict's rule is ours (docs/studies.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64

from pointssl.ops.stats import (
    LEVEL,
    Estimate,
    holm,
    paired_permutation,
    percentile_interval,
    t_quantile,
)

Values = Float64[np.ndarray, " _k"]
ALONE = "these networks alone"
"""What an interval over clouds speaks of."""
LARGE = 1e9
"""Degrees of freedom at which Student's distribution is the normal one."""
Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisTest:
    """One figure that a claim speaks of, and the sign that it claims."""

    what: str
    claimed: Literal[-1, 1]
    estimate: Estimate
    p_holm: float
    """p corrected for all comparisons of the study; equal to p before `holm_corrected`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence, its tests, and what they say of it."""

    text: str
    tests: tuple[HypothesisTest, ...]
    verdict: Verdict


def seed_interval(values: Float64[np.ndarray, "k s"]) -> Estimate:
    """Return a figure's mean over seeds and its interval over seeds and clouds; over clouds alone for one seed.

    Args:
        values: the figure of every seed (rows) for the clouds themselves (first column) and for every resample of them,
            the same draws in all rows whose clouds are the same.
    """
    own, draws, mean = values[:, 0], values[:, 1:], values.mean(axis=0)
    listed = tuple(float(value) for value in own)
    if len(own) == 1:
        found = percentile_interval(mean)
        return replace(found, p=1.0 if found.p is None else found.p, method="clouds alone", per_seed=listed)
    clouds = float(mean[1:].var(ddof=1)) if draws.shape[1] > 1 else 0.0
    each = float(draws.var(axis=1, ddof=1).mean()) if draws.shape[1] > 1 else 0.0
    found = Spread.of([(own, each - clouds)], clouds).interval(float(mean[0]))
    return replace(found, n=len(own), std=float(own.std(ddof=1)), method="seeds and clouds", per_seed=listed)


def difference_of_runs(
    ours: Float64[np.ndarray, "k t"], theirs: Float64[np.ndarray, "l t"], *, over: str = "test clouds"
) -> Estimate:
    """Return the mean of our runs less that of theirs, each right or wrong (or a share) on the same clouds or episodes.

    With two runs or more on both sides it speaks of the two recipes, over runs and clouds. A single run stands for no
    recipe: then the interval is over clouds, `method` says so, and `n` is 1.
    """
    runs = f"{len(ours)} and {len(theirs)} runs"
    means = ours.mean(axis=0), theirs.mean(axis=0)
    if min(len(ours), len(theirs)) == 1:
        found = paired_permutation(*means, over=over)
        return replace(found, n=1, method=f"{found.method}, mean of {runs}, {ALONE}")
    count = ours.shape[1]
    groups = [
        (group.mean(axis=1), (float(group.var(axis=1, ddof=1).mean()) - float(mean.var(ddof=1))) / count)
        for group, mean in zip((ours, theirs), means, strict=True)
    ]
    gap = means[0] - means[1]
    found = Spread.of(groups, float(gap.var(ddof=1)) / count, count - 1.0).interval(float(gap.mean()))
    return replace(found, n=min(len(ours), len(theirs)), method=f"{runs}, {count} {over}")


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of a figure over seeds and clouds, by where it comes from."""

    seeds: float
    """What other trainings would change, apart from what clouds do to each."""
    degrees: float
    """Its degrees of freedom."""
    clouds: float
    """What other clouds would change."""
    cloud_degrees: float

    @staticmethod
    def of(groups: Sequence[tuple[Values, float]], clouds: float, cloud_degrees: float = LARGE) -> "Spread":
        """Put it together.

        Args:
            groups: of every group of networks the figures of its seeds, and how much more other clouds change one
                network than the mean of all: that part is in the spread of the seeds and in that of the clouds.
            clouds: variance of the figure, all seeds together, over clouds.
            cloud_degrees: degrees of freedom of that.
        """
        between = [float(own.var(ddof=1)) / len(own) for own, _ in groups]
        both = sum(max(alone, 0.0) / (len(own) - 1) for own, alone in groups)
        squares = sum(one**2 / (len(own) - 1) for one, (own, _) in zip(between, groups, strict=True))
        degrees = sum(between) ** 2 / squares if squares > 0 else float(sum(len(own) - 1 for own, _ in groups))
        return Spread(max(sum(between) - both, 0.0), degrees, clouds, cloud_degrees)

    def half(self, level: float) -> float:
        """Return half the interval: that of the seeds and that of the clouds, added as squares."""
        of_seeds = t_quantile(self.degrees, level) * self.seeds**0.5
        return math.hypot(of_seeds, t_quantile(self.cloud_degrees, level) * self.clouds**0.5)

    def interval(self, centre: float) -> Estimate:
        """Return the interval around a figure; p is 1 - the level whose interval just reaches 0, by bisection."""
        half = self.half(LEVEL)
        inside, outside = 0.0, 1.0
        for _ in range(40):
            level = (inside + outside) / 2
            inside, outside = (level, outside) if self.half(level) < abs(centre) else (inside, level)
        p = 1 - inside if self.seeds + self.clouds > 0 else float(centre == 0)
        return Estimate(mean=centre, low=centre - half, high=centre + half, p=p)


def hypothesis(what: str, claimed: Literal[-1, 1], estimate: Estimate) -> HypothesisTest:
    """Return a test that is not corrected yet."""
    return HypothesisTest(what=what, claimed=claimed, estimate=estimate, p_holm=_p_of(estimate))


def holm_corrected(claims: Sequence[tuple[str, Sequence[HypothesisTest]]]) -> tuple[Claim, ...]:
    """Return the claims with their verdicts, all their tests corrected together."""
    p = iter(holm([_p_of(one.estimate) for _, tests in claims for one in tests]))
    made = []
    for text, tests in claims:
        ready = tuple(replace(one, p_holm=next(p)) for one in tests)
        made.append(Claim(text=text, tests=ready, verdict=verdict_of(ready)))
    return tuple(made)


def verdict_of(tests: Sequence[HypothesisTest]) -> Verdict:
    """Supported: every test says so; not supported: any says the opposite; undecided: all else.

    A test says something when its interval leaves out 0, also after correction, and more than one seed was trained.
    """
    signs = [_shows(one) for one in tests]
    if signs and all(sign == one.claimed for sign, one in zip(signs, tests, strict=True)):
        return "supported"
    return "not supported" if any(sign == -one.claimed for sign, one in zip(signs, tests, strict=True)) else "undecided"


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a conclusion from those of its claims, by the same rule."""
    if verdicts and all(one == "supported" for one in verdicts):
        return "supported"
    return "not supported" if "not supported" in verdicts else "undecided"


def _shows(one: HypothesisTest) -> int:
    """Return the sign that a test shows, 0 where it shows none."""
    return one.estimate.sign if one.estimate.n > 1 and one.p_holm < 1 - LEVEL else 0


def _p_of(found: Estimate) -> float:
    assert found.p is not None
    return found.p
