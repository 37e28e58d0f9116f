"""Strength by order with intervals, and single interactions, on tables whose interactions are chosen by hand."""

import dataclasses

import numpy as np
import pytest
import torch

from pointssl.data.reading import ReadConfig
from pointssl.errors import SettingError
from pointssl.interpret import InteractConfig, InteractionTable, compare, profile
from pointssl.interpret.profiles import ProfileConfig
from pointssl.interpret.top_interactions import largest_interactions, most_different_interactions
from pointssl.ops.games import strength
from pointssl.ops.games.dividends import zeta


def _table(dividends: list[list[float]], network: str = "a") -> InteractionTable:
    """Return a table with these interactions; places are nothing, a, b, ab, c, ac, bc, abc."""
    m = len(dividends)
    return InteractionTable(
        network=network,
        weights="0",
        data="hand",
        fingerprint="0",
        classes=("x", "y"),
        settings=InteractConfig(clouds=m, regions=3, reading=ReadConfig(points=4)),
        index=np.arange(m),
        label=np.zeros(m, dtype=np.int64),
        predicted=np.arange(m) % 2,
        xyz=np.zeros((m, 4, 3), dtype=np.float32),
        region=np.zeros((m, 4), dtype=np.int64),
        v=zeta(torch.tensor(dividends, dtype=torch.float64)).numpy(),
    )


FIRST = [9.0, 1.0, -2.0, 4.0, 3.0, 0.0, 0.0, -10.0]  # v(all) - v(nothing) = -4
SECOND = [9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0]  # 3


def test_profile__by_hand() -> None:
    found = profile(_table([FIRST, SECOND]), ProfileConfig(salient=0.15))
    assert found.effect == pytest.approx(3.5)
    each = np.array([1.0, 7 / 6, 5.0])  # means over two clouds of 2, 4/3, 10 and 0, 1, 0
    np.testing.assert_allclose([band.mean for band in found.share_of_effect], each / 3.5)
    np.testing.assert_allclose([band.mean for band in found.share_of_mean], each / each.mean())
    np.testing.assert_allclose([band.mean for band in found.positive], [1.5, 3.5, 0.0])
    np.testing.assert_allclose([band.mean for band in found.negative], [-1.0, 0.0, -5.0])
    np.testing.assert_allclose([band.mean for band in found.salient], [1.0, 1.0, 0.5])
    assert (
        (found.low_orders, found.high_orders) == ((1, 1), (3, 3)) == (strength.low_orders(3), strength.high_orders(3))
    )
    assert found.low == found.share_of_effect[0]
    assert found.high == found.share_of_effect[2]
    assert found.accuracy.mean == 0.5


def test_profile__interval_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    inside = 0
    for seed in range(60):
        rows = np.zeros((40, 8))
        rows[:, 1] = generator.exponential(2.0, 40)
        rows[:, 7] = generator.exponential(1.0, 40)
        found = profile(_table(rows.tolist()), ProfileConfig(seed=seed)).share_of_effect[2]
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 1 / 3 <= found.high  # E|I(abc)| = 1, E effect = 3
    assert inside >= 51  # 57 expected; 50 or fewer once in 400


def test_profile__one_cloud_has_no_interval() -> None:
    found = profile(_table([FIRST]))
    assert found.share_of_effect[0].low is None


def test_profile__other_ranges_and_display() -> None:
    config = ProfileConfig(low=(1, 2), high=(2, 3), display="share_of_mean")
    found = profile(_table([FIRST, SECOND]), config)
    bands = [band.mean for band in found.share_of_mean]
    assert found.low.mean == pytest.approx(sum(bands[:2]) / 2)
    assert found.high.mean == pytest.approx(sum(bands[1:]) / 2)
    with pytest.raises(SettingError, match="high must end at 3, the number of regions"):
        profile(_table([FIRST]), ProfileConfig(high=(2, 4)))
    with pytest.raises(ValueError, match="low must be two rising orders"):
        ProfileConfig(low=(3, 2))


def test_profile__a_network_that_no_region_moves_has_no_strength() -> None:
    found = profile(_table([[2.0] + 7 * [0.0]] * 3))
    assert [band.mean for band in found.share_of_effect] == [0.0, 0.0, 0.0]
    assert found.high.mean == 0


def test_compare__a_network_with_itself_differs_in_nothing_and_pairs_narrow_the_interval() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(30, 8))
    a = _table(rows.tolist())
    same = compare(a, _table(rows.tolist(), "b"))
    assert all((band.mean, band.low, band.high) == (0, 0, 0) for band in same.share_of_effect)
    near = compare(a, _table((rows * 1.001 + 0.001 * generator.normal(size=rows.shape)).tolist(), "b"))
    alone = profile(a).high
    assert near.high.high is not None
    assert near.high.low is not None
    assert alone.high is not None
    assert alone.low is not None
    assert near.high.high - near.high.low < 0.1 * (alone.high - alone.low)


def test_compare__tables_of_other_clouds() -> None:
    a, b = _table([FIRST, SECOND]), _table([FIRST, SECOND], "b")
    with pytest.raises(SettingError, match="measured on other clouds, regions or scores"):
        compare(a, dataclasses.replace(b, index=np.array([0, 5])))


def test_single__by_hand() -> None:
    a, b = _table([FIRST, SECOND]), _table([SECOND, SECOND], "b")
    [one, *_] = most_different_interactions(a, b, (2, 3))
    assert (one.cloud, one.regions, one.order) == (0, (0, 1, 2), 3)
    assert one.interaction == pytest.approx((-10.0, 0.0))
    found = largest_interactions(a, (1, 2), count=3, per_cloud=2)
    assert [(one.cloud, one.regions) for one in found] == [(0, (0, 1)), (0, (2,)), (1, (1, 2))]
