"""The displays of strength by order, against sums by hand."""

import pytest
import torch

from pointssl.ops.games import strength
from pointssl.ops.games.dividends import moebius
from tests.ops import games


def _dividends() -> torch.Tensor:
    """Two clouds of three regions; places are nothing, a, b, ab, c, ac, bc, abc."""
    return torch.tensor(
        [[9.0, 1.0, -2.0, 4.0, 3.0, 0.0, 0.0, -10.0], [9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0]], dtype=torch.float64
    )


def test_mean_strength__by_hand() -> None:
    expected = torch.tensor([[2.0, 4 / 3, 10.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(strength.mean_strength(_dividends()), expected)


def test_share_of_effect_and_of_mean__by_hand() -> None:
    found = strength.mean_strength(_dividends())
    v = torch.tensor([[1.0, 0.0, 4.0], [2.0, 0.0, -3.0]], dtype=torch.float64)
    assert strength.total_effect(v).tolist() == [3.0, 5.0]
    expected = torch.tensor([1.0, 7 / 6, 5.0], dtype=torch.float64)
    torch.testing.assert_close(strength.share_of_effect(found, strength.total_effect(v)), expected / 4)
    torch.testing.assert_close(strength.share_of_mean(found), expected / expected.mean())


def test_salient_strength__by_hand() -> None:
    found = strength.salient_strength(_dividends(), share=0.15)  # above 1.5 in the first cloud
    assert found.positive.tolist() == [[3.0, 4.0, 0.0], [0.0, 3.0, 0.0]]
    assert found.negative.tolist() == [[-2.0, 0.0, -10.0], [0.0, 0.0, 0.0]]
    assert found.count.tolist() == [[2.0, 1.0, 1.0], [0.0, 1.0, 0.0]]


def test_is_salient__the_value_of_nothing_never_counts() -> None:
    assert strength.is_salient(_dividends())[:, 0].tolist() == [False, False]


def test_mean_strength__does_not_depend_on_names_of_regions() -> None:
    v = games.chance(5, rows=3)
    renamed = games.relabelled(v, 5, [2, 4, 0, 1, 3])
    torch.testing.assert_close(strength.mean_strength(moebius(v)), strength.mean_strength(moebius(renamed)))


@pytest.mark.parametrize(("r", "low", "high"), [(10, (1, 3), (8, 10)), (12, (1, 3), (10, 12)), (2, (1, 1), (2, 2))])
def test_ranges__by_hand(r: int, low: tuple[int, int], high: tuple[int, int]) -> None:
    assert (strength.low_orders(r), strength.high_orders(r)) == (low, high)
