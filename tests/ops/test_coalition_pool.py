"""Masked clouds from one look at the points, against clouds that are really masked: values and gradients."""

import pytest
import torch
from torch import Tensor

from pointssl.ops.games.coalitions import all_coalitions, mask, regions
from pointssl.ops.games.max_pool_coalitions import pooled_of_coalitions, region_pieces, region_reach


def offered(xyz: Tensor, weight: Tensor) -> Tensor:
    """What a small network of each point alone offers to the max."""
    return torch.tanh(xyz @ weight)


def fast(xyz: Tensor, region: Tensor, kept: Tensor, weight: Tensor, size: int) -> Tensor:
    pieces, owner = region_pieces(xyz, region, kept.any(dim=1), size)
    reached = region_reach(offered(pieces, weight).amax(dim=1), owner, len(xyz), kept.shape[2])
    return pooled_of_coalitions(reached, offered(xyz.mean(dim=1), weight), kept)


@pytest.mark.parametrize("size", [1, 4, 64])
def test_pooled_of_coalitions__as_if_clouds_were_masked(size: int) -> None:
    torch.manual_seed(0)
    xyz, weight = torch.randn(3, 40, 3), torch.randn(3, 7)
    region, kept = regions(xyz, 4), all_coalitions(4).expand(3, -1, -1)
    one, two = (weight.clone().requires_grad_() for _ in range(2))
    expected = offered(mask(xyz, region, kept), one).amax(dim=2)
    found = fast(xyz, region, kept, two, size)
    torch.testing.assert_close(found, expected)
    seen = torch.randn(expected.shape)
    (expected * seen).sum().backward()
    (found * seen).sum().backward()
    torch.testing.assert_close(two.grad, one.grad)


def test_pooled_of_coalitions__regions_that_none_keeps_are_not_looked_at() -> None:
    torch.manual_seed(0)
    xyz, weight = torch.randn(2, 30, 3), torch.randn(3, 5)
    region = regions(xyz, 5)
    kept = torch.zeros(2, 3, 5, dtype=torch.bool)
    kept[:, 1, 2] = kept[0, 2, 4] = True
    pieces, owner = region_pieces(xyz, region, kept.any(dim=1), 8)
    assert sorted(owner.unique().tolist()) == [2, 4, 7]  # b * 5 + region
    assert len(pieces) == sum(-(-int((region[b] == k).sum()) // 8) for b, k in ((0, 2), (0, 4), (1, 2)))
    expected = offered(mask(xyz, region, kept), weight).amax(dim=2)
    torch.testing.assert_close(fast(xyz, region, kept, weight, 8), expected)


def test_region_pieces__hold_every_point_of_a_region_and_no_other() -> None:
    torch.manual_seed(0)
    xyz = torch.randn(2, 50, 3)
    region = regions(xyz, 3)
    pieces, owner = region_pieces(xyz, region, torch.ones(2, 3, dtype=torch.bool), 7)
    for number in range(6):
        held = {tuple(p) for p in pieces[owner == number].reshape(-1, 3).tolist()}
        assert held == {tuple(p) for p in xyz[number // 3][region[number // 3] == number % 3].tolist()}


def test_pooled_of_coalitions__nothing_and_everything() -> None:
    reached, rest = torch.tensor([[[1.0, -2.0], [0.0, -3.0]]]), torch.tensor([[0.5, 9.0]])
    kept = torch.tensor([[[False, False], [True, True], [False, True]]])
    assert pooled_of_coalitions(reached, rest, kept).tolist() == [[[0.5, 9.0], [1.0, -2.0], [0.5, 9.0]]]
