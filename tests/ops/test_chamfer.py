"""Chamfer distance against scipy's tree, by hand, and where its gradient could break."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pointssl.ops import chamfer as module
from pointssl.ops.chamfer import chamfer


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("block", [1 << 22, 1 << 12, 64])  # side by side, one by one, and in rows
@pytest.mark.parametrize("offset", [0.0, 500.0])
def test_chamfer__is_that_of_a_tree(squared: bool, block: int, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    chance = torch.Generator().manual_seed(0)
    one = torch.randn(3, 50, 3, generator=chance) + offset
    two = torch.randn(3, 31, 3, generator=chance) + offset
    got = chamfer(one, two, squared=squared)
    for cloud, (a, b) in enumerate(zip(one.double().numpy(), two.double().numpy(), strict=True)):
        power = 2 if squared else 1
        assert got.forward[cloud].item() == pytest.approx(np.mean(cKDTree(b).query(a)[0] ** power), rel=1e-4)
        assert got.backward[cloud].item() == pytest.approx(np.mean(cKDTree(a).query(b)[0] ** power), rel=1e-4)


def test_chamfer__by_hand() -> None:
    one = torch.tensor([[[0.0, 0, 0], [3, 4, 0]]])
    got = chamfer(one, torch.zeros(1, 1, 3))
    assert (got.forward.item(), got.backward.item()) == (2.5, 0)


def test_gradient__is_that_of_differences() -> None:
    chance = torch.Generator().manual_seed(1)
    one = torch.randn(1, 6, 3, generator=chance, requires_grad=True)
    two = torch.randn(1, 5, 3, generator=chance)
    torch.stack(chamfer(one, two)).sum().backward()
    grad, step = one.grad, 1e-2
    assert grad is not None
    for place in ((0, 0, 0), (0, 3, 1), (0, 5, 2)):
        moved = [one.detach().clone() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (torch.stack(chamfer(cloud, two)).sum().item() for cloud in moved)
        assert grad[place].item() == pytest.approx((up - down) / (2 * step), abs=2e-2)


def test_gradient__is_zero_where_points_coincide() -> None:
    one = torch.zeros(2, 4, 3, requires_grad=True)
    torch.stack(chamfer(one, torch.zeros(2, 3, 3))).sum().backward()
    assert one.grad is not None
    assert torch.equal(one.grad, torch.zeros_like(one))
