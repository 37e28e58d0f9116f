"""PCN's encoder against its layers written out on explicit pairs of point and max."""

import pytest
import torch

from pointssl.backbones.pcn import PCN, PCNConfig


def test_pcn__explicit_pairs() -> None:
    network = PCN(PCNConfig(local=(6, 5), hidden=7, pooled_dim=4)).double()
    xyz = torch.randn(2, 9, 3).double()
    state = dict(network.named_parameters())
    points = torch.relu(xyz @ state["local.0.weight"].T + state["local.0.bias"])
    points = points @ state["local.2.weight"].T + state["local.2.bias"]
    both = torch.cat([points, points.max(dim=1, keepdim=True).values.repeat(1, 9, 1)], dim=-1)
    weight = torch.cat([network.hidden.weight, network.context.weight], dim=1)
    offered = torch.relu(both @ weight.T + network.hidden.bias) @ network.pool.weight.T + network.pool.bias
    features = network(xyz)
    torch.testing.assert_close(features.points, points)
    torch.testing.assert_close(features.pooled, offered.max(dim=1).values)


def test_pcn__published_size() -> None:
    network = PCN(PCNConfig())
    # 3·128, 128·256, 512·512, 512·1024, and their biases.
    assert sum(p.numel() for p in network.parameters()) == 384 + 128 + 32768 + 256 + 512**2 + 512 + 512 * 1024 + 1024
    assert (network.point_dim, network.pooled_dim, network.min_points) == (256, 1024, 1)


def test_config__refuses_impossible_settings() -> None:
    with pytest.raises(ValueError, match="local, hidden and pooled_dim must be positive"):
        PCNConfig(hidden=0)
