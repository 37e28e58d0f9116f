"""The shared blocks against plain torch modules that hold the same weights."""

import pytest
import torch
from torch import nn

from pointssl.backbones.layers import Dropout, MaxPoolLayer, PointLayer, mlp, orthogonality, require_points
from pointssl.ops.kernels.norm import BatchNorm


@pytest.mark.parametrize(("slope", "activation"), [(0.0, nn.ReLU()), (0.2, nn.LeakyReLU(0.2)), (1.0, nn.Identity())])
def test_point_layer__is_a_one_by_one_convolution(slope: float, activation: nn.Module) -> None:
    layer = PointLayer(3, 5, slope)
    textbook = nn.Sequential(nn.Conv1d(3, 5, 1, bias=False), nn.BatchNorm1d(5), activation)
    textbook[0].weight.data = layer.linear.weight.data[..., None].clone()
    x = torch.randn(4, 7, 3)
    for _ in range(2):  # the second pass sees the running statistics of the first
        torch.testing.assert_close(layer(x), textbook(x.mT).mT)
    layer.eval()
    textbook.eval()
    torch.testing.assert_close(layer(x), textbook(x.mT).mT)


def test_max_pool_layer__is_the_largest_value_over_points() -> None:
    layer = MaxPoolLayer(3, 5).eval()
    x = torch.randn(2, 7, 3)
    each = torch.stack([layer.layer(x[:, i : i + 1])[:, 0] for i in range(7)])
    torch.testing.assert_close(layer(x), each.max(dim=0).values)


def test_mlp__ends_in_a_bare_linear_layer() -> None:
    kinds = [type(layer) for layer in mlp((8, 4, 3, 2), dropout=0.5)]
    hidden = [nn.Linear, BatchNorm, nn.ReLU, Dropout]
    assert kinds == [*hidden, *hidden, nn.Linear]
    assert [type(layer) for layer in mlp((8, 2))] == [nn.Linear]
    assert mlp((8, 4, 3, 2))(torch.randn(5, 8)).shape == (5, 2)


def test_require_points__names_the_network_and_both_numbers() -> None:
    require_points(torch.zeros(1, 4, 3), 4, "N")
    with pytest.raises(ValueError, match="at least 5 for DGCNN, got 4"):
        require_points(torch.zeros(1, 4, 3), 5, "DGCNN")


def test_orthogonality__by_hand() -> None:
    turn = torch.linalg.qr(torch.randn(2, 3, 3)).Q
    torch.testing.assert_close(orthogonality(turn), torch.tensor(0.0), atol=1e-5, rtol=0)
    # I - (2I)(2I)ᵀ = -3 I has the norm 3 √3; the other cloud's transform is a rotation, so the mean is half of it.
    both = torch.stack([2 * torch.eye(3), torch.eye(3)])
    torch.testing.assert_close(orthogonality(both), torch.tensor(1.5 * 3**0.5))
