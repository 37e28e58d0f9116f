"""Estimates against the exact values of the same clouds."""

import numpy as np
import pytest

from pointssl.data.reading import ReadConfig
from pointssl.errors import RunError
from pointssl.interpret import InteractConfig, interact
from pointssl.interpret.sampled import SamplingBudget, estimate
from pointssl.ops.games.pairs import pair_orders
from pointssl.ops.games.shapley import shapley
from tests.interpret import networks


def test_estimate__is_within_its_errors_of_the_exact_values() -> None:
    data, network = networks.clouds(), networks.EncoderAndHead()
    settings = InteractConfig(clouds=3, regions=6, reading=ReadConfig(points=40), device="cpu")
    exact = interact({"a": network}, data, settings)["a"]
    found = estimate({"a": network}, data, settings, SamplingBudget(orders=60, pairs=15, contexts=30))["a"]
    values = shapley(exact.dividends()).numpy()
    # 4 standard errors; float32 logits err where the sampling does not.
    assert (np.abs(found.shapley - values) <= 4 * found.shapley_error + 1e-5).all()
    np.testing.assert_array_equal(found.predicted, exact.predicted)
    pair = pair_orders(exact.dividends()[0]).numpy()
    upper = np.abs(pair[np.triu_indices(6, 1)][:, list(found.size)]).mean(axis=0)
    np.testing.assert_allclose(found.pair_strength[0, [0, -1]], upper[[0, -1]], atol=1e-5)  # one context each
    assert found.shapley_converged.shape == (3,)


def test_estimate__32_regions_by_both_ways() -> None:
    data, network = networks.clouds(points=100), networks.EncoderAndHead()
    budget = SamplingBudget(orders=2, pairs=2, contexts=2)
    found = []
    for quick in (True, False):
        settings = InteractConfig(clouds=1, regions=32, reading=ReadConfig(points=100), device="cpu", max_pooled=quick)
        found.append(estimate({"a": network}, data, settings, budget)["a"])
    np.testing.assert_allclose(found[0].shapley, found[1].shapley, atol=1e-5)
    np.testing.assert_allclose(found[0].pair_strength, found[1].pair_strength, atol=1e-5)
    assert found[0].size == (0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)


def test_estimate__nan_is_told() -> None:
    settings = InteractConfig(clouds=1, regions=20, reading=ReadConfig(points=40), device="cpu")
    bad = networks.Counting(lambda xyz: networks.spread(xyz) * (xyz.std(dim=1) / xyz.std(dim=1))[:, :1])
    with pytest.raises(RunError, match="the logits are NaN or infinite"):
        estimate({"a": bad}, networks.clouds(), settings)


def test_effort__bad_settings() -> None:
    with pytest.raises(ValueError, match="orders must be at least 2, got 1"):
        SamplingBudget(orders=1)
