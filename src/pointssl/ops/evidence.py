"""From measured differences to a verdict: supported, not supported, or undecided at this number of seeds and clouds.

A figure is known for every seed, and for resampled clouds. Half its interval is the root of two squares: half the t
interval of the seeds' values, and half the normal interval of their mean as clouds are drawn again. What both share is
counted twice, so the interval is rather too wide than too narrow.

Source: limits of a sum from the squares of its parts' limits, W. G. Howe, "Approximate Confidence Limits on the Mean of
X + Y Where X and Y Are Two Tabled Independent Random Variables", JASA 1974; correction for several comparisons,
S. Holm, 1979. The verdict's rule is ours (docs/studies.md).
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64

from pointssl.ops.stats import LEVEL, Estimate, holm, normal_quantile, percentile_interval, t_quantile

PERMUTATIONS = 5040
"""Most rearrangements that are all tried; beyond, as many are drawn."""

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
    seeds, draws = len(values), values.shape[1] - 1
    own, mean = values[:, 0], values.mean(axis=0)
    centre, listed = float(mean[0]), tuple(float(value) for value in own)
    if seeds == 1:
        found = percentile_interval(mean)
        return replace(found, p=1.0 if found.p is None else found.p, method="clouds alone", per_seed=listed)
    from_seeds = float(own.var(ddof=1)) / seeds
    from_clouds = float(mean[1:].var(ddof=1)) if draws > 1 else 0.0
    half = _half(from_seeds, from_clouds, seeds - 1, LEVEL)
    return Estimate(
        mean=centre,
        low=centre - half,
        high=centre + half,
        p=_p(abs(centre), from_seeds, from_clouds, seeds - 1),
        method="seeds and clouds",
        n=seeds,
        std=float(own.std(ddof=1)),
        per_seed=listed,
    )


def _half(from_seeds: float, from_clouds: float, degrees: int, level: float) -> float:
    """Return half the interval: that of the seeds (t) and that of the clouds (normal), added as squares."""
    return math.hypot(t_quantile(float(degrees), level) * from_seeds**0.5, normal_quantile(level) * from_clouds**0.5)


def _p(distance: float, from_seeds: float, from_clouds: float, degrees: int) -> float:
    """Return 1 - the level whose interval just reaches 0, by bisection."""
    if from_seeds + from_clouds == 0:
        return 1.0 if distance == 0 else 0.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if _half(from_seeds, from_clouds, degrees, middle) < distance:
            low = middle
        else:
            high = middle
    return 1 - low


def association(
    x: Float64[np.ndarray, "k s i"], y: Float64[np.ndarray, "k s i"], *, together: bool, seed: int = 0
) -> Estimate:
    """Return Spearman's rho of x and y over items, as a mean over seeds; figures that do not move have rho 0.

    Its p is the larger of the interval's and that of rearranged items.

    Args:
        x: figures of every seed, resample of the clouds (the first is the clouds themselves) and item.
        y: the same of the other figure.
        together: rearrange the items of all seeds alike (items are kinds of networks, which stay what they are), or
            each seed's by themselves (items are trainings).
        seed: decides which rearrangements are drawn where they are too many.
    """
    found = seed_interval(_rho(x, y))
    low, high = (None if end is None else float(np.clip(end, -1, 1)) for end in (found.low, found.high))
    p = max(_p_of(found), _rearranged(x[:, 0], y[:, 0], together=together, seed=seed))
    return replace(found, low=low, high=high, p=p)


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


def _rho(x: Float64[np.ndarray, "... i"], y: Float64[np.ndarray, "... i"]) -> Float64[np.ndarray, "..."]:
    from scipy.stats import rankdata

    a, b = (rankdata(part, axis=-1) for part in np.broadcast_arrays(x, y))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    rho: Float64[np.ndarray, ...] = np.where(size > 0, (a * b).sum(axis=-1) / np.where(size > 0, size, 1.0), 0.0)
    return rho


def _rearranged(x: Float64[np.ndarray, "k i"], y: Float64[np.ndarray, "k i"], *, together: bool, seed: int) -> float:
    """Return the share of rearrangements of y whose mean rho lies at least as far from 0."""
    seeds, items = x.shape
    observed = abs(float(_rho(x, y).mean()))
    every = math.factorial(items) if together or seeds == 1 else math.factorial(items) ** seeds
    generator = np.random.default_rng(seed)
    if (together or seeds == 1) and every <= PERMUTATIONS:
        orders = np.array(list(itertools.permutations(range(items))))[:, None, :].repeat(seeds, axis=1)
    else:
        rows = 1 if together else seeds
        drawn = generator.permuted(np.tile(np.arange(items), (PERMUTATIONS, rows, 1)), axis=-1)
        orders = np.broadcast_to(drawn, (PERMUTATIONS, seeds, items))
    shuffled = np.take_along_axis(np.broadcast_to(y, orders.shape), orders, axis=-1)
    as_far = int((np.abs(_rho(np.broadcast_to(x, orders.shape), shuffled).mean(axis=-1)) >= observed - 1e-9).sum())
    exact = (together or seeds == 1) and every <= PERMUTATIONS
    return as_far / len(orders) if exact else (as_far + 1) / (len(orders) + 1)
