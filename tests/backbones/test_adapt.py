"""Foreign networks in the house's contract: own modules in both layouts, logits, pooled vectors, wrong shapes."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones.adapt import Adapted
from pointssl.methods.parae import ParAE, ParAEConfig
from pointssl.types import CloudBatch


class PerPoint(nn.Module):
    """Ten lines that anyone might have written: (b, n, 3) to (b, n, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 8))

    def forward(self, xyz: Tensor) -> Tensor:
        """Give every point a feature."""
        features: Tensor = self.layers(xyz)
        return features


def convolutions(out_dim: int) -> nn.Module:
    """Build a network in the layout of convolutions, (b, 3, n) to (b, out_dim, n)."""
    return nn.Sequential(nn.Conv1d(3, 16, 1), nn.ReLU(), nn.Conv1d(16, out_dim, 1))


def test_adapted__keeps_the_features_of_a_network_with_points_before_channels() -> None:
    network = PerPoint()
    encoder = Adapted(network, point_dim=8, pooled_dim=12)
    xyz = torch.randn(2, 10, 3)
    features = encoder(xyz)
    assert torch.equal(features.points, network(xyz))
    assert features.pooled.shape == (2, 12)


def test_adapted__turns_channels_before_points() -> None:
    network = convolutions(8)
    encoder = Adapted(network, point_dim=8, layout="bcn")
    xyz = torch.randn(2, 10, 3)
    assert torch.equal(encoder(xyz).points, network(xyz.mT).mT)


def test_adapted__pools_with_a_layer_and_a_max() -> None:
    encoder = Adapted(PerPoint(), point_dim=8, pooled_dim=12).eval()
    xyz = torch.randn(2, 10, 3)
    alone = torch.stack([encoder(xyz[:, i : i + 1]).pooled for i in range(10)])
    torch.testing.assert_close(encoder(xyz).pooled, alone.max(dim=0).values)


def test_adapted__takes_the_networks_own_pooled_vector() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = PerPoint()

        def forward(self, xyz: Tensor) -> tuple[Tensor, Tensor]:
            points = self.inner(xyz)
            return points, points.mean(dim=1)

    encoder = Adapted(Both(), point_dim=8, pooled_dim=8, own_pooled=True)
    features = encoder(torch.randn(2, 10, 3))
    torch.testing.assert_close(features.pooled, features.points.mean(dim=1))
    assert all(name.startswith("network.") for name, _ in encoder.named_parameters())


def test_adapted__reads_a_dictionary() -> None:
    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = convolutions(13)

        def forward(self, xyz: Tensor) -> dict[str, Any]:
            return {"logits": self.inner(xyz), "aux": None}

    encoder = Adapted(Logits(), point_dim=13, layout="bcn", read=lambda output: output["logits"])
    assert encoder(torch.randn(2, 10, 3)).points.shape == (2, 10, 13)


def test_adapted__wrong_shapes_name_the_setting() -> None:
    xyz = torch.randn(2, 10, 3)
    with pytest.raises(ValueError, match=r"PerPoint must have shape \(2, 10, 9\).*correct point_dim or layout"):
        Adapted(PerPoint(), point_dim=9)(xyz)
    with pytest.raises(ValueError, match="correct point_dim or layout"):
        Adapted(PerPoint(), point_dim=8, read=lambda points: points.mT)(xyz)
    with pytest.raises(ValueError, match="must return a tensor, got tuple; pass own_pooled or read"):
        Adapted(PerPoint(), point_dim=8, read=lambda points: (points, points))(xyz)
    with pytest.raises(ValueError, match=r"must return \(points, pooled\) with own_pooled, got Tensor"):
        Adapted(PerPoint(), point_dim=8, own_pooled=True)(xyz)
    with pytest.raises(ValueError, match="correct pooled_dim"):
        Adapted(PerPoint(), point_dim=8, pooled_dim=7, own_pooled=True, read=lambda p: (p, p.mean(dim=1)))(xyz)
    with pytest.raises(ValueError, match="at least 11 for PerPoint, got 10"):
        Adapted(PerPoint(), point_dim=8, min_points=11)(xyz)


def transformer() -> Adapted:
    """Return torch's own encoder of tokens, one token a point: a network that knows nothing of point clouds."""
    layer = nn.TransformerEncoderLayer(d_model=16, nhead=2, dim_feedforward=32, dropout=0.0, batch_first=True)
    return Adapted(nn.Sequential(nn.Linear(3, 16), nn.TransformerEncoder(layer, 1)), point_dim=16, pooled_dim=32)


def test_parae__trains_through_networks_that_are_not_ours() -> None:
    clusters = torch.randn(4, 4, 1, 3) + 0.05 * torch.randn(4, 4, 16, 3)
    batch = CloudBatch(xyz=clusters.flatten(1, 2))
    for encoder in (Adapted(PerPoint(), point_dim=8, pooled_dim=16), transformer()):
        method = ParAE(encoder, ParAEConfig(components=4, head=(16,)))
        optimiser = torch.optim.Adam(method.parameters(), lr=1e-2)
        losses = []
        for _ in range(20):
            optimiser.zero_grad()
            loss = method(batch).loss
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert [name for name, p in method.named_parameters() if p.grad is None] == []
        assert losses[-1] < losses[0] - 0.1


def test_parae__uses_point_logits_as_features() -> None:
    method = ParAE(Adapted(convolutions(13), point_dim=13, layout="bcn"), ParAEConfig(components=4))
    assert method.partition_logits(torch.randn(2, 10, 3)).shape == (2, 10, 4)
