"""How sure are we of a figure, and is a difference more than chance?

One type holds every figure with its interval. Intervals of a few repetitions (seeds, episodes, paired clouds) are
Student's t; that of one accuracy over its test clouds is Wilson's; that of any other figure of clouds is the percentile
bootstrap, with one set of draws for all that is to be compared. Figures of several trainings: `ops/evidence.py`.

Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927; Q. McNemar,
"Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 1947;
S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979;
B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, Num

Sample = Num[np.ndarray, " n"]

LEVEL = 0.95
"""Confidence of every interval."""
RESAMPLES = 2000
"""How often clouds are drawn again."""
EXACT_SIGNS = 14
"""Up to this many differing pairs all sign patterns are counted; beyond, they are sampled."""
SIGNS = 10_000
"""How many sign patterns are sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and its 95 % interval, which one value alone cannot have."""

    mean: float
    """The figure: a mean, or what a mean of clouds leads to, such as a ratio of two means."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """How often chance alone would lie at least as far from 0; None where 0 is not asked about."""
    method: str = ""
    """Where interval and p come from, and over what."""
    n: int = 1
    """How many values it is the mean of."""
    std: float | None = None
    """Their standard deviation (divided by n - 1)."""
    per_seed: tuple[float, ...] = ()
    """The figure of every seed, where it is a mean over seeds."""

    @property
    def sign(self) -> int:
        """On which side of 0 the whole interval lies: 1, -1, or 0 where it holds 0 or there is none."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def mean_interval(values: Sequence[float] | Sample, *, over: str = "values") -> Estimate:
    """Return mean and t-interval of repetitions (seeds, subsets, folds, clouds); `over` names them."""
    if len(values) == 0:
        raise ValueError("values must hold at least one number, got none")
    sample = np.asarray(values, dtype=np.float64)
    mean, n = float(sample.mean()), len(sample)
    if n == 1:
        return Estimate(mean=mean, method=f"one of {over}")
    std = float(sample.std(ddof=1))
    half = t_quantile(float(n - 1)) * std / math.sqrt(n)
    return Estimate(mean=mean, low=mean - half, high=mean + half, std=std, n=n, method=f"t over {n} {over}")


def wilson(share: float, n: int) -> Estimate:
    """Return a proportion `share` seen in `n` trials with an interval that never leaves [0, 1]."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    z = normal_quantile()
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(mean=share, low=low, high=high, n=n, method=f"Wilson, {n} clouds")


@lru_cache(maxsize=2)
def bootstrap_weights(clouds: int, seed: int) -> Float64[np.ndarray, "s m"]:
    """Return weights of the clouds that sum to 1: equal ones first, then how often each was drawn.

    Weights times a figure per cloud give its mean and its resampled means. The same seed gives the same draws, so that
    figures of several networks are paired cloud by cloud. One cloud has no resamples.
    """
    equal = np.full((1, clouds), 1 / clouds)
    if clouds == 1:
        return equal
    drawn = np.random.default_rng(seed).integers(clouds, size=(RESAMPLES, clouds))
    drawn += clouds * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=RESAMPLES * clouds).reshape(RESAMPLES, clouds)
    weight: Float64[np.ndarray, "s m"] = np.concatenate([equal, counts / clouds])
    weight.flags.writeable = False  # the next caller gets the same array
    return weight


def resampled_means(values: Sample, seed: int) -> Float64[np.ndarray, " s"]:
    """Return the mean of `values` over clouds, then that of each resample of them."""
    means: Float64[np.ndarray, " s"] = bootstrap_weights(len(values), seed) @ values.astype(np.float64)
    return means


def percentile_interval(resampled: Float64[np.ndarray, " s"], *, over: str = "clouds") -> Estimate:
    """Return the first value, which is that of the clouds themselves, with the bootstrap interval of all others."""
    mean, draws = float(resampled[0]), resampled[1:]
    if not len(draws):
        return Estimate(mean=mean, method=f"one of {over}")
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    tail = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(draws) + 1))
    return Estimate(mean=mean, low=float(low), high=float(high), p=p, method=f"bootstrap over {over}")


def mcnemar(a: Bool[np.ndarray, " n"], b: Bool[np.ndarray, " n"]) -> float:
    """Return the exact two-sided p of 'both classifiers err equally often'; `a`, `b`: right or wrong per test cloud."""
    from scipy.special import bdtr

    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    # Under the hypothesis each discordant cloud is a fair coin: twice the smaller binomial tail.
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5))) if only_a + only_b else 1.0


def paired_permutation(a: Sample, b: Sample, *, seed: int = 0, over: str = "pairs") -> Estimate:
    """Return a - b over the same clouds or episodes: p by flipping its signs, a t-interval; `over` names the pairs.

    With right/wrong (1/0) values p is McNemar's exact one up to sampling.
    """
    difference = a.astype(np.float64) - b.astype(np.float64)
    found = mean_interval(difference, over=over)
    moving = difference[difference != 0]  # a zero keeps its value under any sign
    if len(moving) <= EXACT_SIGNS:
        p, test = _all_signs(moving), "exact sign flips"
    else:
        generator = np.random.default_rng(seed)
        observed, at_least, block = abs(moving.sum()), 0, max(1, 2_000_000 // len(moving))
        for start in range(0, SIGNS, block):
            signs = generator.integers(2, size=(min(block, SIGNS - start), len(moving))) * 2.0 - 1
            at_least += int((np.abs(signs @ moving) >= observed - 1e-9).sum())
        # The observed pattern is one of the possible ones, so p is never 0.
        p, test = (at_least + 1) / (SIGNS + 1), f"{SIGNS:,} random sign flips"
    return Estimate(
        mean=found.mean,
        low=found.low,
        high=found.high,
        std=found.std,
        n=found.n,
        p=p,
        method=f"{test} over {len(difference)} {over}",
    )


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for having made all these comparisons at once."""
    order = np.argsort(np.asarray(p, dtype=np.float64), kind="stable")
    corrected, running = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = running
    return corrected


def t_quantile(degrees: float, level: float = LEVEL) -> float:
    """Return the two-sided quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def normal_quantile(level: float = LEVEL) -> float:
    """Return the two-sided quantile of the normal distribution."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def _all_signs(moving: Float64[np.ndarray, " m"]) -> float:
    """Share of all sign patterns whose sum is at least as far from 0 as the observed one."""
    sums = np.zeros(1)
    for value in moving:
        sums = np.concatenate([sums - value, sums + value])
    return float((np.abs(sums) >= abs(moving.sum()) - 1e-9).mean())
