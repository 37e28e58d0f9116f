"""The PointNet with edge convolutions: widths, explicit edges, and neighbourhoods that keep their size."""

import math

import pytest
import torch
from torch import nn

from pointssl.backbones.edge_pointnet import SLOPE, EdgePointNet, EdgePointNetConfig, fourier
from pointssl.ops.kernels import neighbors
from tests.ops.test_edgeconv import textbook

SMALL = EdgePointNetConfig(k=4, density=20, edges=(6, 5), octaves=1, hidden=7, pooled_dim=9)


def test_edge_pointnet__widths() -> None:
    network = EdgePointNet(SMALL)
    assert (network.point_dim, network.pooled_dim, network.min_points) == (6 + 5 + 3 + 6, 9 + 7 + 6 + 5, 4)
    # Products 6·6, 12·5, 20·7, 7·9, and two numbers per channel of each norm.
    assert sum(p.numel() for p in network.parameters()) == 36 + 60 + 140 + 63 + 2 * (6 + 5 + 7 + 9)


def test_edge_pointnet__explicit_edges_max_and_means() -> None:
    network = EdgePointNet(SMALL).double().eval()
    xyz = torch.randn(2, 20, 3).double()
    index, x, seen = neighbors.nearest(xyz, 4), xyz, []
    for edge in network.edges:
        x = textbook(x, index, edge.linear.weight, edge.norm, SLOPE).amax(dim=2)  # type: ignore[arg-type,union-attr]
        seen.append(x)
    local = torch.cat(seen, dim=-1)
    hidden = network.hidden(torch.cat([local, xyz, torch.sin(math.pi * xyz), torch.cos(math.pi * xyz)], dim=-1))
    top = network.pool.layer(hidden).amax(dim=1)
    pooled = torch.cat([top, hidden.mean(dim=1), local.mean(dim=1)], dim=-1)
    torch.testing.assert_close(network(xyz).pooled, pooled, rtol=1e-10, atol=1e-10)


def test_fourier__hand_value() -> None:
    # At a half: sin(pi/2) = 1, cos(pi/2) = 0, then sin(pi) = 0, cos(pi) = -1.
    found = fourier(torch.tensor([[[0.5, 0.0, 0.0]]]), 2)[0, 0]
    assert found.tolist() == pytest.approx([0.5, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, -1, 1, 1], abs=1e-6)


@pytest.mark.parametrize(("n", "steps"), [(20, 2), (40, 3), (80, 6)])
def test_neighbours__keep_their_size_when_points_are_denser(n: int, steps: int) -> None:
    # Points on a line at steps of 1 / n. Of 20 points the last of 4 neighbours is the third nearest, 2 steps away; of
    # 40 the sixth, 3 steps, and of 80 the twelfth, 6 steps: each time 3 / 20 of all points lie nearer, on two sides.
    xyz = nn.functional.pad(torch.arange(n, dtype=torch.float32)[None, :, None] / n, (0, 2))
    index = EdgePointNet(SMALL).neighbours(xyz)
    assert index.shape == (1, n, 4)
    middle = index[0, n // 2]
    assert middle[0] == n // 2
    assert (middle - n // 2).abs().max().item() == steps


def test_neighbours__of_few_points_are_the_nearest() -> None:
    xyz = torch.randn(1, 9, 3)  # fewer than the density: nothing to spread
    assert torch.equal(EdgePointNet(SMALL).neighbours(xyz), neighbors.nearest(xyz, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"k": 0}, "k must be"), ({"density": 0}, "density"), ({"edges": ()}, "edges"), ({"octaves": -1}, "octaves")],
)
def test_config__refuses_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EdgePointNetConfig(**settings)  # type: ignore[arg-type]
