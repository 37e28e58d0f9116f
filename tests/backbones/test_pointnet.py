"""PointNet against the published layer list written out as 1 x 1 convolutions, and what its options change."""

import pytest
import torch
from torch import nn

from pointssl.backbones.layers import orthogonality
from pointssl.backbones.pointnet import PointNet, PointNetConfig, TransformNet

ORIGINAL = PointNetConfig(local=(64, 64), hidden=(64, 128), transforms=True, activate_pooled=True)
"""The network of the CVPR 2017 paper."""


def test_forward__equals_the_textbook_convolutions() -> None:
    network = PointNet(PointNetConfig())
    textbook = nn.Sequential(
        nn.Sequential(nn.Conv1d(3, 64, 1, bias=False), nn.BatchNorm1d(64), nn.ReLU()),
        nn.Sequential(nn.Conv1d(64, 128, 1, bias=False), nn.BatchNorm1d(128), nn.ReLU()),
        nn.Sequential(nn.Conv1d(128, 1024, 1, bias=False), nn.BatchNorm1d(1024)),
    )
    ours = [p for name, p in network.named_parameters() if name.endswith("linear.weight")]
    theirs = [p for p in textbook.parameters() if p.ndim == 3]
    for convolution, linear in zip(theirs, ours, strict=True):
        convolution.data = linear.data[..., None].clone()
    xyz = torch.randn(2, 32, 3)
    features = network(xyz)
    local = textbook[0](xyz.mT)
    torch.testing.assert_close(features.points, local.mT)
    torch.testing.assert_close(features.pooled, textbook[2](textbook[1](local)).max(dim=2).values)


def test_layers__of_the_original_network() -> None:
    network = PointNet(ORIGINAL)
    weights = [(name, p) for name, p in network.named_parameters() if name.endswith("linear.weight")]
    shapes = [tuple(p.shape) for name, p in weights if "transform" not in name]
    assert shapes == [(64, 3), (64, 64), (64, 64), (128, 64), (1024, 128)]
    # The pooled layer ends in a ReLU here and does not in the short form.
    xyz = torch.randn(2, 16, 3)
    assert network(xyz).pooled.min() >= 0
    assert PointNet(PointNetConfig())(0.01 * xyz[:, :2]).pooled.min() < 0


def test_transforms__are_the_identity_at_the_start() -> None:
    xyz = torch.randn(2, 16, 3)
    for transform, x in ((TransformNet(3), xyz), (TransformNet(64), torch.randn(2, 16, 64))):
        matrix = transform(x)
        assert torch.equal(matrix, torch.eye(x.shape[-1]).expand_as(matrix))
        assert orthogonality(matrix) == 0


def test_transforms__learn_and_leave_the_identity() -> None:
    network = PointNet(ORIGINAL)
    xyz = torch.randn(4, 16, 3)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):  # the first step moves the zero layer, the second everything before it
        optimiser.zero_grad()
        network(xyz).pooled.square().mean().backward()
        optimiser.step()
    assert network.input_transform is not None
    assert network.feature_transform is not None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.input_transform.head[-1].parameters())
    assert orthogonality(network.input_transform(xyz)) > 0
    assert orthogonality(network.feature_transform(torch.randn(4, 16, 64))) > 0


def test_transforms__turn_the_points_of_each_cloud() -> None:
    network = PointNet(PointNetConfig(transforms=True)).eval()
    plain = PointNet(PointNetConfig()).eval()
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if "transform" not in k})
    assert network.input_transform is not None
    last = network.input_transform.head[-1]
    assert isinstance(last, nn.Linear)
    swap = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    last.bias.data = (swap - torch.eye(3)).flatten()  # the transform is now an exchange of x and y
    xyz = torch.randn(2, 16, 3)
    torch.testing.assert_close(network(xyz).pooled, plain(xyz[..., [1, 0, 2]]).pooled)


@pytest.mark.parametrize("setting", [{"local": ()}, {"hidden": (64, 0)}, {"pooled_dim": 0}])
def test_config__refuses_widths_that_make_no_network(setting: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be positive widths"):
        PointNetConfig(**setting)  # type: ignore[arg-type]
