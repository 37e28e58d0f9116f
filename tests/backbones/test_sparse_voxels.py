"""The example's sparse convolution is torch's dense one at the occupied voxels, and its network keeps the contract."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

PATH = Path(__file__).parents[2] / "examples" / "sparse_voxels.py"


@pytest.fixture(name="example", scope="module")
def load_example() -> ModuleType:
    """Give the example as a module; it trains only when it is run."""
    spec = importlib.util.spec_from_file_location("sparse_voxels", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.no_grad()
def test_sparse_conv__is_the_dense_one_where_voxels_are(example: ModuleType) -> None:
    conv = example.SparseConv(2, 3).eval()
    occupied = torch.rand(4, 4, 4) < 0.4
    cell = occupied.nonzero() + 5
    keys = (cell[:, 0] * example.SPAN + cell[:, 1]) * example.SPAN + cell[:, 2]
    offsets = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
    neighbours = torch.stack([example.find(keys, offset) for offset in offsets])
    x = torch.randn(len(keys), 2)
    grid = torch.zeros(2, 4, 4, 4)
    grid[:, occupied] = x.T
    weight = torch.stack([layer.weight for layer in conv.maps], dim=-1).view(3, 2, 3, 3, 3)
    dense = nn.functional.conv3d(grid[None], weight, padding=1)[0][:, occupied].T
    torch.testing.assert_close(conv(x, neighbours), conv.norm(dense).relu())


@torch.no_grad()
def test_network__order_of_points_and_clouds_of_a_batch(example: ModuleType) -> None:
    network = example.encoder.eval()
    xyz, order = torch.randn(2, 64, 3), torch.randperm(64)
    whole, mixed, alone = network(xyz), network(xyz[:, order]), network(xyz[1:])
    torch.testing.assert_close(mixed.points, whole.points[:, order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mixed.pooled, whole.pooled, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.pooled, whole.pooled[1:], rtol=1e-4, atol=1e-5)


def test_network__too_many_voxels(example: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"at most 1022 voxels of 0.1 wide"):
        example.SparseVoxels()(torch.full((1, 2, 3), 60.0))
