"""Intervals and tests against scipy's own and against values worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pointssl.ops import stats

ACCURACIES = [0.652, 0.661, 0.648, 0.655]


def test_mean_interval__agrees_with_scipy() -> None:
    got = stats.mean_interval(ACCURACIES)
    low, high = scipy_stats.t.interval(0.95, 3, loc=np.mean(ACCURACIES), scale=scipy_stats.sem(ACCURACIES))
    assert got.mean == pytest.approx(0.654)
    assert [got.low, got.high] == pytest.approx([low, high])
    assert got.std == pytest.approx(np.std(ACCURACIES, ddof=1))


def test_mean_interval__one_value_has_no_spread() -> None:
    one = stats.mean_interval([0.5])
    assert (one.mean, one.std, one.low, one.high, one.n) == (0.5, None, None, None, 1)


def test_mean_interval__refuses_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        stats.mean_interval([])


@pytest.mark.parametrize(("right", "n"), [(0, 10), (215, 328), (328, 328), (1, 1)])
def test_wilson__agrees_with_scipy(right: int, n: int) -> None:
    oracle = scipy_stats.binomtest(right, n).proportion_ci(method="wilson")
    got = stats.wilson(right / n, n)
    assert (got.low, got.high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_wilson__refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], got 65.5"):
        stats.wilson(65.5, 328)


def test_bootstrap_weights__are_shares_of_draws_and_repeat() -> None:
    weight = stats.bootstrap_weights(7, 3)
    assert weight[0] == pytest.approx(1 / 7)
    assert weight.sum(axis=1) == pytest.approx(1.0)
    assert (7 * weight[1:]).round(9) == pytest.approx((7 * weight[1:]).round())  # whole numbers of draws
    assert np.array_equal(weight, stats.bootstrap_weights(7, 3))
    # A cloud's number of draws is binomial: mean 1, variance 1 - 1/7.
    assert (7 * weight[1:]).var(axis=0) == pytest.approx(6 / 7, abs=0.15)
    assert stats.bootstrap_weights(1, 0).shape == (1, 1)


def test_percentile_interval__agrees_with_the_normal_one_for_a_mean() -> None:
    sample = np.random.default_rng(0).normal(loc=0.1, size=400)
    got = stats.percentile_interval(stats.resampled_means(sample, 0))
    theirs = scipy_stats.bootstrap((sample,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    assert got.mean == pytest.approx(sample.mean())
    assert (got.low, got.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    assert got.p == pytest.approx(scipy_stats.ttest_1samp(sample, 0.0).pvalue, abs=0.03)


def test_percentile_interval__constant_sample_has_no_width() -> None:
    got = stats.percentile_interval(stats.resampled_means(np.full(5, 0.25), 0))
    assert (got.low, got.high) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("low", "high", "sign"), [(0.1, 0.3, 1), (-0.3, -0.1, -1), (-0.1, 0.3, 0), (0.0, 0.3, 0), (None, None, 0)]
)
def test_estimate__sign_is_that_of_the_whole_interval(low: float | None, high: float | None, sign: int) -> None:
    assert stats.Estimate(mean=0.1, low=low, high=high).sign == sign


def test_mcnemar__agrees_with_the_binomial_test() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.random(300) < 0.7, generator.random(300) < 0.6
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    oracle = scipy_stats.binomtest(only_a, only_a + only_b).pvalue
    assert stats.mcnemar(a, b) == pytest.approx(oracle)
    assert stats.mcnemar(b, a) == pytest.approx(oracle)


def test_mcnemar__five_against_none_by_hand() -> None:
    a, b = np.array([True] * 5 + [True]), np.array([False] * 5 + [True])
    assert stats.mcnemar(a, b) == pytest.approx(2 / 2**5)
    assert stats.mcnemar(a, a) == 1.0


def test_paired_permutation__interval_is_the_paired_t_one() -> None:
    a, b = np.array(ACCURACIES), np.array([0.60, 0.63, 0.64, 0.61])
    interval = scipy_stats.ttest_rel(a, b).confidence_interval()
    got = stats.paired_permutation(a, b)
    assert [got.low, got.high] == pytest.approx([interval.low, interval.high])


def test_paired_permutation__interval_of_ten_episodes_covers() -> None:
    """The percentile bootstrap of ten normal values covers 88 %, the t interval 95 %."""
    generator, zeros, held = np.random.default_rng(0), np.zeros(10), 0
    for _ in range(1000):
        held += stats.paired_permutation(generator.normal(size=10), zeros).sign == 0
    assert 0.93 < held / 1000 < 0.97


def test_paired_permutation__exact_agrees_with_brute_force() -> None:
    difference = np.array([0.3, -0.1, 0.2, 0.25, 0.0, 0.05])
    patterns = itertools.product([-1, 1], repeat=len(difference))
    brute = np.mean([abs(np.dot(signs, difference)) >= difference.sum() - 1e-9 for signs in patterns])
    got = stats.paired_permutation(difference, np.zeros(6))
    assert got.p == pytest.approx(brute)
    assert got.mean == pytest.approx(0.7 / 6)


def test_paired_permutation__sampled_agrees_with_mcnemar() -> None:
    a = np.array([True] * 30 + [False] * 14 + [True] * 100)
    b = np.array([False] * 30 + [True] * 14 + [True] * 100)
    got = stats.paired_permutation(a.astype(float), b.astype(float))
    assert got.p == pytest.approx(stats.mcnemar(a, b), abs=0.01)


def test_paired_permutation__equal_arms_do_not_differ() -> None:
    same = np.array([1.0, 0.0, 1.0])
    assert stats.paired_permutation(same, same).p == 1.0


def test_holm__by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, then max(0.06, 0.03 x 2), then max(0.06, 0.04 x 1).
    assert stats.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
