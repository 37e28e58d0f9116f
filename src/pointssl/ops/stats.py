"""How sure are we of a mean, and do two encoders really differ?

Intervals over seeds assume a t distribution of the seed means; intervals over test clouds are Wilson's (for one
accuracy) or a percentile bootstrap. Two encoders that saw the same test clouds are compared cloud by cloud.

Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 1927; Q. McNemar,
"Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 1947;
S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979;
B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Num

Sample = Num[np.ndarray, " n"]

EXACT_SIGNS = 14
"""Up to this many differing pairs all sign patterns are counted; beyond, they are sampled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean, the spread of what it is the mean of, and an interval that one value alone cannot have."""

    mean: float
    std: float | None
    """Sample standard deviation (divided by n - 1)."""
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """The mean of a - b over pairs, its interval, and how often chance alone would differ at least as much."""

    difference: float
    low: float | None
    high: float | None
    p: float
    test: str
    """Which test gave `p`, and over what."""


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> Estimate:
    """Return mean and t-interval of a few repetitions (seeds, subsets, folds)."""
    if not values:
        raise ValueError("values must hold at least one number, got none")
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) == 1:
        return Estimate(mean=mean, std=None, low=None, high=None, n=1)
    std = float(sample.std(ddof=1))
    half = _t_quantile(level, len(sample) - 1) * std / math.sqrt(len(sample))
    return Estimate(mean=mean, std=std, low=mean - half, high=mean + half, n=len(sample))


def wilson(share: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a proportion `share` seen in `n` trials; never leaves [0, 1]."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in [0, 1], got {share}")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    from scipy.special import ndtri

    z = float(ndtri((1 + level) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(values: Sample, *, resamples: int = 10_000, seed: int = 0, level: float = 0.95) -> Estimate:
    """Return mean and percentile interval under resampling of `values` (clouds, models) with replacement."""
    if len(values) == 0:
        raise ValueError("values must hold at least one number, got none")
    sample = values.astype(np.float64)
    mean = float(sample.mean())
    if len(sample) == 1:
        return Estimate(mean=mean, std=None, low=None, high=None, n=1)
    generator = np.random.default_rng(seed)
    block = max(1, 2_000_000 // len(sample))  # 16 MB of indices at a time
    means = np.concatenate(
        [
            sample[generator.integers(len(sample), size=(min(block, resamples - start), len(sample)))].mean(axis=1)
            for start in range(0, resamples, block)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(mean=mean, std=float(sample.std(ddof=1)), low=float(low), high=float(high), n=len(sample))


def mcnemar(a: Bool[np.ndarray, " n"], b: Bool[np.ndarray, " n"]) -> float:
    """Return the exact two-sided p of 'both classifiers err equally often'; `a`, `b`: right or wrong per test cloud."""
    from scipy.special import bdtr

    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    # Under the hypothesis each discordant cloud is a fair coin: twice the smaller binomial tail.
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5))) if only_a + only_b else 1.0


def paired_t(a: Sample, b: Sample, *, level: float = 0.95) -> Paired:
    """Compare two arms over the same seeds; needs at least two."""
    if len(a) < 2:
        raise ValueError(f"a paired t-test needs at least 2 pairs, got {len(a)}")
    from scipy.special import stdtr

    estimate = mean_interval([float(d) for d in a.astype(np.float64) - b.astype(np.float64)], level=level)
    if not estimate.std:  # all differences equal: the statistic is 0/0 or infinite
        p = 1.0 if estimate.mean == 0 else 0.0
    else:
        t = abs(estimate.mean) / (estimate.std / math.sqrt(estimate.n))
        p = 2 * float(stdtr(estimate.n - 1, -t))
    test = f"paired t over {estimate.n} pairs"
    return Paired(difference=estimate.mean, low=estimate.low, high=estimate.high, p=p, test=test)


def paired_permutation(a: Sample, b: Sample, *, resamples: int = 10_000, seed: int = 0) -> Paired:
    """Compare two arms over the same clouds by flipping signs of a - b; the interval is a bootstrap over the pairs.

    With right/wrong (1/0) values this is McNemar's exact test up to sampling.
    """
    difference = a.astype(np.float64) - b.astype(np.float64)
    estimate = bootstrap(difference, resamples=resamples, seed=seed)
    moving = difference[difference != 0]  # a zero keeps its value under any sign
    if len(moving) <= EXACT_SIGNS:
        p, test = _all_signs(moving), f"exact sign flips over {len(difference)} pairs"
    else:
        generator = np.random.default_rng(seed)
        observed, at_least, block = abs(moving.sum()), 0, max(1, 2_000_000 // len(moving))
        for start in range(0, resamples, block):
            signs = generator.integers(2, size=(min(block, resamples - start), len(moving))) * 2.0 - 1
            at_least += int((np.abs(signs @ moving) >= observed - 1e-9).sum())
        # The observed pattern is one of the possible ones, so p is never 0.
        p, test = (at_least + 1) / (resamples + 1), f"{resamples:,} random sign flips over {len(difference)} pairs"
    return Paired(difference=estimate.mean, low=estimate.low, high=estimate.high, p=p, test=test)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for having made all these comparisons at once."""
    order = np.argsort(np.asarray(p, dtype=np.float64), kind="stable")
    corrected, running = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = running
    return corrected


def rank_correlation(a: Sample, b: Sample) -> tuple[float, float]:
    """Return Spearman's rho and its two-sided p; a constant input has no ranks and raises ValueError."""
    if len(a) < 3 or a.min() == a.max() or b.min() == b.max():
        raise ValueError("rank correlation needs at least 3 pairs and values that differ")
    from scipy.stats import spearmanr

    result = spearmanr(a, b)
    return float(result.statistic), float(result.pvalue)


def _t_quantile(level: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def _all_signs(moving: Float64[np.ndarray, " m"]) -> float:
    """Share of all sign patterns whose sum is at least as far from 0 as the observed one."""
    sums = np.zeros(1)
    for value in moving:
        sums = np.concatenate([sums - value, sums + value])
    return float((np.abs(sums) >= abs(moving.sum()) - 1e-9).mean())
