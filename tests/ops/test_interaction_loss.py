"""The terms of the interaction loss against games made by hand and against all dividends."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from pointssl.ops.games import interaction_loss as maths
from pointssl.ops.games.dividends import moebius, order, zeta


def inside(number: int, group: int) -> bool:
    return number & ~group == 0


def merged(v: Tensor, sets: tuple[int, int, int]) -> Tensor:
    """The scores of the 8 unions of three sets of regions, given by their numbers, out of a whole table."""
    unions = [sum(s for bit, s in enumerate(sets) if number >> bit & 1) for number in range(8)]
    return v[..., unions]


def test_subset_sizes__of_ten_regions() -> None:
    # 8 to 10 regions in three sets of at most 3: 9 = 3 + 3 + 3, and 8 with the 2 in any place.
    assert sorted(maths.subset_sizes(10, (1, 3), (8, 10))) == [(2, 3, 3), (3, 2, 3), (3, 3, 2), (3, 3, 3)]


def test_subset_sizes__none_fit() -> None:
    with pytest.raises(ValueError, match="low and high must leave room for three disjoint sets of 1 to 2 regions"):
        maths.subset_sizes(10, (1, 2), (8, 10))


def test_disjoint_groups__sizes_as_asked_and_every_region_as_often() -> None:
    sizes = torch.tensor([[1, 2, 3], [2, 2, 2]])
    torch.manual_seed(0)
    group = maths.disjoint_groups(torch.rand(500, 4, 8), torch.rand(500, 4), sizes)
    counts = torch.stack([(group == g).sum(dim=-1) for g in range(4)], dim=-1).flatten(0, 1)
    assert {tuple(row) for row in counts.tolist()} == {(1, 2, 3, 2), (2, 2, 2, 2)}
    one = (counts[:, 0] == 1).float().mean().item()
    assert one == pytest.approx(0.5, abs=0.05)  # 2000 coins: four standard errors are 0.045
    share = (group < 3).float().mean(dim=(0, 1))
    torch.testing.assert_close(share, torch.full((8,), 6 / 8), rtol=0, atol=0.05)


def test_kept_groups__by_hand() -> None:
    kept = maths.kept_groups(torch.tensor([[[0, 1, 3, 2]]]))[0, 0]
    # Coalition 5 keeps sets 0 and 2: the first and the last region; region 2 is in no set.
    assert kept[5].tolist() == [True, False, False, True]
    assert kept[0].tolist() == [False] * 4
    assert kept[7].tolist() == [True, True, False, True]


def test_disjoint_terms__by_hand() -> None:
    # v of {}, 1, 2, 12, 3, 13, 23, 123. Singles: 1, -2, 4. Pairs: 12: 3-2+1-1, 13: 5-2-5+1, 23: 0+1-5+1.
    v = torch.tensor([1.0, 2.0, -1.0, 3.0, 5.0, 5.0, 0.0, 10.0])
    low, high = maths.disjoint_terms(v)
    assert low.item() == pytest.approx((1 + 2 + 4) / 3)
    assert high.item() == pytest.approx(10 - 3 - 5 - 0 + 2 - 1 + 5 - 1)
    pairs, _ = maths.disjoint_terms(v, pairs=True)
    assert pairs.item() == pytest.approx((abs(3 - 2 + 1 + 1) + abs(5 - 2 - 5 + 1) + abs(0 + 1 - 5 + 1)) / 3)


def test_disjoint_terms__are_sums_of_dividends() -> None:
    torch.manual_seed(1)
    dividends = torch.randn(1 << 7, dtype=torch.float64)
    sets = (0b0000011, 0b0010100, 0b1000000)
    low, high = maths.disjoint_terms(merged(zeta(dividends), sets))
    singles = [sum(dividends[t] for t in range(1, 128) if inside(t, s)) for s in sets]
    union = sum(sets)
    triple = sum(dividends[t] for t in range(128) if inside(t, union) and all(t & s for s in sets))
    torch.testing.assert_close(low, torch.stack([abs(torch.as_tensor(x)) for x in singles]).mean())
    torch.testing.assert_close(high, abs(torch.as_tensor(triple)))


def test_disjoint_terms__orders_they_cover() -> None:
    # One game per set of 9 regions, in which that set alone acts: what comes out is its coefficient.
    v = zeta(torch.eye(1 << 9, dtype=torch.float64))
    low, high = maths.disjoint_terms(merged(v, (0b111, 0b111000, 0b111000000)))
    size = order(9)
    counts = {m: int(high[size == m].sum()) for m in range(1, 10)}
    # Of each three regions one or more: the coefficients of (3x + 3x^2 + x^3)^3.
    assert counts == {1: 0, 2: 0, 3: 27, 4: 81, 5: 108, 6: 81, 7: 36, 8: 9, 9: 1}
    assert {m: round(3 * float(low[size == m].sum())) for m in range(1, 5)} == {1: 9, 2: 9, 3: 3, 4: 0}
    assert set(high.tolist()) == {0.0, 1.0}


def test_disjoint_terms__clip_bounds_the_high_term_alone() -> None:
    v = torch.tensor([0.0, 40.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], requires_grad=True)  # single 40, pairs -40, triple 40
    low, high = maths.disjoint_terms(v, 15.0)
    assert low.item() == pytest.approx(40 / 3)
    assert high.item() == 15
    (grad,) = torch.autograd.grad(high, v)
    assert not grad.any()
    (grad,) = torch.autograd.grad(maths.disjoint_terms(v)[0], v)
    assert grad[1] == pytest.approx(1 / 3)


@pytest.mark.parametrize("r", [3, 5, 6])
def test_exact_terms__against_brute_force(r: int) -> None:
    torch.manual_seed(r)
    v = torch.randn(2, 1 << r, dtype=torch.float64)
    low, high = maths.exact_terms(v, (1, 2), (r - 1, r))
    for row in range(2):
        strength: dict[int, list[float]] = {}
        for m in range(1, r + 1):
            for chosen in itertools.combinations(range(r), m):
                value = 0.0
                for k in range(m + 1):
                    for part in itertools.combinations(chosen, k):
                        value += (-1) ** (m - k) * v[row, sum(1 << i for i in part)].item()
                strength.setdefault(m, []).append(abs(value))
        mean = {m: sum(values) / len(values) for m, values in strength.items()}
        assert low[row].item() == pytest.approx((mean[1] + mean[2]) / 2)
        assert high[row].item() == pytest.approx((mean[r - 1] + mean[r]) / 2)


@pytest.mark.parametrize("r", [3, 6])
def test_exact_terms__gradient(r: int) -> None:
    torch.manual_seed(0)
    v = torch.randn(1, 1 << r, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: maths.exact_terms(x, (1, 1), (r, r), 100.0), (v,))
    assert moebius(v).requires_grad


def test_terms__gradient_is_finite_where_nothing_interacts() -> None:
    v = torch.zeros(2, 8, requires_grad=True)
    low, high = maths.disjoint_terms(v, 10.0)
    (low - high).sum().backward()
    assert v.grad is not None
    assert v.grad.isfinite().all()


def test_relative__unit_carries_no_gradient_and_scale_cancels() -> None:
    v = torch.tensor([[1.0, 2.0, 5.0]], requires_grad=True)
    scaled = maths.relative(v, v[:, -1], v[:, 0])
    torch.testing.assert_close(scaled, v / (4 + maths.FLOOR))
    (grad,) = torch.autograd.grad(scaled.sum(), v)
    torch.testing.assert_close(grad, torch.full((1, 3), 1 / (4 + maths.FLOOR)))
    large = maths.relative(1e4 * v, 1e4 * v[:, -1], 1e4 * v[:, 0])
    torch.testing.assert_close(large, v / 4, rtol=1e-5, atol=0)


def test_nested_kept__one_within_the_other() -> None:
    torch.manual_seed(0)
    kept = maths.nested_kept(torch.rand(20, 3, 10), 3, 7)
    assert kept.sum(dim=-1).unique(dim=1).shape == (20, 1, 2)
    assert kept.sum(dim=-1)[0, 0].tolist() == [3, 7]
    assert not (kept[:, :, 0] & ~kept[:, :, 1]).any()


def test_nested_change__an_additive_game_has_none_and_the_empty_cloud_is_taken_off() -> None:
    # Every region adds 2 to the logit, so 7 of 10 regions say nothing more than their share of what 3 say.
    change = maths.nested_change(torch.tensor([6.0]), torch.tensor([14.0]), 3, 7)
    torch.testing.assert_close(change, torch.zeros(1), rtol=0, atol=1e-5)
    assert maths.nested_change(torch.tensor([1.0]), torch.tensor([5.0]), 0, 5).item() == 4


def test_certainty__least_for_equal_classes() -> None:
    logits = torch.zeros(1, 5, requires_grad=True)
    value = maths.certainty(logits)
    assert value.item() == pytest.approx(-math.log(5))
    (grad,) = torch.autograd.grad(value.sum(), logits)
    torch.testing.assert_close(grad, torch.zeros(1, 5))
    assert maths.certainty(torch.tensor([[100.0, 0, 0]])).item() == pytest.approx(0, abs=1e-6)
