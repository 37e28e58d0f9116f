"""Intervals over seeds and clouds, rank correlations, and the rule that turns them into a verdict."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pointssl.ops import evidence, stats
from pointssl.ops.rank_correlation import association
from pointssl.ops.stats import Estimate

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "calibration.py"


def of(*values: float, draws: int = 400, spread: float = 0.0) -> Estimate:
    """Estimate of one value per seed whose clouds' resamples scatter by `spread`, alike in all seeds."""
    noise = np.random.default_rng(0).normal(scale=spread, size=draws) if spread else np.zeros(draws)
    return evidence.seed_interval(np.array(values)[:, None] + np.concatenate([[0.0], noise]))


def test_seed_interval__without_noise_of_clouds_is_the_paired_t_test() -> None:
    found = of(1.0, 2.0, 4.0)
    theirs = scipy_stats.ttest_1samp([1.0, 2.0, 4.0], 0.0)
    low, high = theirs.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, theirs.pvalue))
    assert found.method == "seeds and clouds"


def test_seed_interval__noise_of_clouds_widens_the_interval() -> None:
    narrow, wide = of(1.0, 1.1, 0.9), of(1.0, 1.1, 0.9, spread=0.6)
    assert narrow.low is not None
    assert wide.low is not None
    assert narrow.low > 0 > wide.low


def test_seed_interval__equal_seeds_leave_the_noise_of_clouds_alone() -> None:
    found = of(1.0, 1.0, 1.0, spread=0.25, draws=4000)
    # Half of the interval is the normal quantile times the deviation of the resamples.
    assert found.high is not None
    assert found.high - found.mean == pytest.approx(1.96 * 0.25, rel=0.05)


def test_seed_interval__covers_the_truth_as_often_as_it_says() -> None:
    """Seeds and clouds both scatter: the interval holds the truth in 95 % of experiments, up to chance."""
    generator, inside, experiments, clouds = np.random.default_rng(0), 0, 1000, 40
    for _ in range(experiments):
        seeds, per_cloud = generator.normal(size=(3, 1)), generator.normal(scale=4.0, size=(1, clouds))
        values = seeds + per_cloud + generator.normal(size=(3, clouds))
        weight = np.concatenate(
            [np.full((1, clouds), 1 / clouds), generator.multinomial(clouds, [1 / clouds] * clouds, 200) / clouds]
        )
        found = evidence.seed_interval(values @ weight.T)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0 <= found.high
    assert 0.93 < inside / experiments < 0.975


def test_seed_interval__p_is_where_the_interval_reaches_zero() -> None:
    found = of(1.0, 1.3, 0.8, spread=0.3)
    assert found.high is not None
    half = found.high - found.mean
    touching = of(*(value - found.mean + half for value in found.per_seed), spread=0.3)
    assert touching.low == pytest.approx(0.0, abs=1e-9)
    assert touching.p == pytest.approx(0.05, abs=1e-6)


def test_seed_interval__one_seed_says_that_clouds_alone_are_covered() -> None:
    found = of(3.0, spread=0.1)
    assert found.method == "clouds alone"
    assert found.low is not None
    assert found.low > 0


def test_seed_interval__seeds_on_clouds_of_their_own_are_a_t_test() -> None:
    """What clouds do is in the spread of the seeds alone then: it must not be counted again."""
    generator, clouds, inside = np.random.default_rng(0), 50, 0
    for _ in range(500):
        rows = [stats.resampled_means(generator.normal(size=clouds), k) for k in range(4)]
        inside += evidence.seed_interval(np.stack(rows)).sign == 0
    assert 0.92 < inside / 500 < 0.98


def test_difference_of_runs__without_noise_of_clouds_is_welchs_test() -> None:
    ours, theirs = np.array([0.6, 0.65, 0.7]), np.array([0.5, 0.52])
    found = evidence.difference_of_runs(np.tile(ours[:, None], 40), np.tile(theirs[:, None], 40))
    theirs_found = scipy_stats.ttest_ind(ours, theirs, equal_var=False)
    low, high = theirs_found.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, theirs_found.pvalue))
    assert (found.n, found.method) == (2, "3 and 2 runs, 40 test clouds")


def test_difference_of_runs__seeds_that_are_alike_leave_the_paired_test_over_clouds() -> None:
    generator = np.random.default_rng(0)
    ours, theirs = (generator.random(60) < share for share in (0.8, 0.6))
    found = evidence.difference_of_runs(*(np.tile(one.astype(float), (3, 1)) for one in (ours, theirs)))
    expected = scipy_stats.ttest_rel(ours.astype(float), theirs.astype(float))
    low, high = expected.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, expected.pvalue))


def test_difference_of_runs__a_single_run_speaks_for_itself() -> None:
    generator = np.random.default_rng(0)
    several, one = (generator.random((k, 60)) < 0.7 for k in (3, 1))
    found = evidence.difference_of_runs(several.astype(float), one.astype(float))
    assert found.n == 1
    assert found.method.endswith("mean of 3 and 1 runs, these networks alone")
    assert found.mean == pytest.approx(several.mean() - one.mean())


@pytest.mark.parametrize(("clouds", "effect"), [(328, 0.0), (328, 0.018), (2468, 0.005), (2468, 0.018)])
def test_difference_of_runs__equal_recipes_differ_as_rarely_as_it_says(clouds: int, effect: float) -> None:
    """The benchmark in small: 1.96 standard errors of 300 trials are 0.025."""
    calibration = runpy.run_path(str(BENCHMARK))
    found = calibration["found_share"](calibration["Options"](trials=300), clouds, 3, effect, 0.0)
    assert 0.015 < found["found"] < 0.085
    if (clouds, effect) == (2468, 0.018):  # over clouds alone it would be far too often
        assert found["found_over_clouds_alone"] > 0.4


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [
        ((1.0, 1.1, 0.9), (-1.0, -1.1, -0.9), "supported"),
        ((1.0, 1.1, 0.9), (1.0, 1.1, 0.9), "not supported"),  # one figure contradicts
        ((1.0, 1.1, 0.9), (-1.0, 0.1, 0.9), "undecided"),  # one figure is open
        ((1.0, -1.0, 0.5), (-1.0, 1.0, 0.1), "undecided"),
        ((1.0,), (-1.0,), "undecided"),  # one seed decides nothing
    ],
)
def test_verdict__by_hand(high: tuple[float, ...], low: tuple[float, ...], verdict: str) -> None:
    checks = [
        evidence.hypothesis("high", 1, of(*high, spread=0.01)),
        evidence.hypothesis("low", -1, of(*low, spread=0.01)),
    ]
    [claim] = evidence.holm_corrected([("a claim", checks)])
    assert claim.verdict == verdict


def test_corrected__many_comparisons_ask_for_more() -> None:
    weak = of(1.0, 1.2, 0.6, spread=0.01)
    assert weak.p is not None
    assert 0.01 < weak.p < 0.05
    [alone] = evidence.holm_corrected([("alone", [evidence.hypothesis("a", 1, weak)])])
    both = evidence.holm_corrected([(name, [evidence.hypothesis(name, 1, weak)]) for name in ("a", "b", "c", "d", "e")])
    assert alone.verdict == "supported"
    assert {claim.verdict for claim in both} == {"undecided"}
    assert both[0].tests[0].p_holm == pytest.approx(5 * weak.p)


def test_together__any_contradiction_wins() -> None:
    assert evidence.together(["supported", "supported"]) == "supported"
    assert evidence.together(["supported", "undecided"]) == "undecided"
    assert evidence.together(["supported", "not supported", "undecided"]) == "not supported"
    assert evidence.together([]) == "undecided"


def levels(values: np.ndarray, draws: int = 50) -> np.ndarray:
    """Figures of (seed, item) without noise of clouds."""
    return np.repeat(values[:, None, :], draws + 1, axis=1)


def test_association__is_spearman_of_each_seed() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(3, 6)), generator.normal(size=(3, 6))
    found = association(levels(x), levels(y), together=False)
    theirs = [scipy_stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    assert found.per_seed == pytest.approx(theirs)
    assert found.mean == pytest.approx(np.mean(theirs))


def test_association__a_steady_rise_is_found_and_few_kinds_are_not_enough() -> None:
    rising = np.tile(np.arange(6.0), (3, 1))
    steady = association(levels(rising), levels(rising), together=False)
    assert steady.p is not None
    assert steady.p < 0.001
    three = rising[:, :3]
    # Of the 6 orders of three kinds, two are as far from 0 as the observed one.
    assert association(levels(three), levels(three), together=True).p == pytest.approx(2 / 6)


def test_association__a_figure_that_does_not_move_says_nothing() -> None:
    x = levels(np.tile(np.arange(4.0), (2, 1)))
    found = association(x, np.zeros_like(x), together=False)
    assert (found.mean, found.p) == (0.0, 1.0)
