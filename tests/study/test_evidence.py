"""Intervals over seeds and clouds, rank correlations, and the rule that turns them into a verdict."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pointssl.ops import evidence
from pointssl.ops.stats import Estimate


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
    """Seeds and clouds both scatter: the interval holds the truth in at least 95 % of experiments, up to chance."""
    generator, inside, experiments, clouds = np.random.default_rng(0), 0, 300, 40
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
    assert inside / experiments > 0.95


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
    found = evidence.association(levels(x), levels(y), together=False)
    theirs = [scipy_stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    assert found.per_seed == pytest.approx(theirs)
    assert found.mean == pytest.approx(np.mean(theirs))


def test_association__a_steady_rise_is_found_and_few_kinds_are_not_enough() -> None:
    rising = np.tile(np.arange(6.0), (3, 1))
    steady = evidence.association(levels(rising), levels(rising), together=False)
    assert steady.p is not None
    assert steady.p < 0.001
    three = rising[:, :3]
    # Of the 6 orders of three kinds, two are as far from 0 as the observed one.
    assert evidence.association(levels(three), levels(three), together=True).p == pytest.approx(2 / 6)


def test_association__a_figure_that_does_not_move_says_nothing() -> None:
    x = levels(np.tile(np.arange(4.0), (2, 1)))
    found = evidence.association(x, np.zeros_like(x), together=False)
    assert (found.mean, found.p) == (0.0, 1.0)
