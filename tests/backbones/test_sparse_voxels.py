"""The example's layer is torch's dense convolution at the occupied voxels, and its network keeps the contract."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pointssl import Adapted

PATH = Path(__file__).parents[2] / "examples" / "sparse_voxels.py"


@pytest.fixture(name="network", scope="module")
def load_example() -> nn.Module:
    """Give the example's network; it trains only when it is run."""
    spec = importlib.util.spec_from_file_location("sparse_voxels", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network: nn.Module = module.SparseVoxels()
    return network


def dense(network: nn.Module, xyz: Tensor) -> Tensor:
    """Put one cloud's lifted points on a grid, convolve it with torch, and read the points' voxels."""
    x = network.lift(xyz)  # type: ignore[operator]
    cell = (xyz / 0.1).floor().long() + 20
    grid, count = torch.zeros(40, 40, 40, 32), torch.zeros(40, 40, 40, 1)
    for at, row in zip(cell.tolist(), x, strict=True):
        grid[tuple(at)] += row
        count[tuple(at)] += 1
    mean = (grid / count.clamp(min=1)).permute(3, 0, 1, 2)
    weight = torch.stack([layer.weight for layer in network.maps], dim=-1).view(32, 32, 3, 3, 3)  # type: ignore[union-attr]
    seen = nn.functional.conv3d(mean[None], weight, padding=1)[0].relu()
    return torch.cat([x, seen[:, cell[:, 0], cell[:, 1], cell[:, 2]].T], dim=-1)


@torch.no_grad()
def test_network__is_a_dense_convolution_where_voxels_are(network: nn.Module) -> None:
    xyz = 0.3 * torch.randn(2, 80, 3)
    found = network(xyz)
    for cloud, row in zip(xyz, found, strict=True):
        torch.testing.assert_close(row, dense(network, cloud), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_network__adapted_follows_the_order_of_the_points(network: nn.Module) -> None:
    encoder = Adapted(network, point_dim=64, pooled_dim=128).eval()
    xyz, order = torch.randn(2, 64, 3), torch.randperm(64)
    whole, mixed = encoder(xyz), encoder(xyz[:, order])
    torch.testing.assert_close(mixed.points, whole.points[:, order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mixed.pooled, whole.pooled, rtol=1e-4, atol=1e-5)
