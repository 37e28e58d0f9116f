"""DGCNN in both forms: widths, symmetry, gradients, and the classification encoder against explicit edges."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones.dgcnn import DGCNN, SLOPE, DGCNNConfig
from pointssl.ops.kernels import neighbors
from tests.ops.test_edgeconv import textbook

SMALL = {"k": 5, "widths": (16, 32), "pooled_dim": 24}


def cloud(b: int = 2, n: int = 40) -> Tensor:
    return torch.randn(b, n, 3)


@pytest.mark.parametrize(
    ("config", "point_dim", "pooled_dim"),
    [
        (DGCNNConfig(), 512, 1024),
        (DGCNNConfig(pooling="max_mean"), 512, 2048),
        (DGCNNConfig(form="segmentation"), 192, 1024),
        (DGCNNConfig(k=5, widths=(16, 32), pooled_dim=24), 48, 24),
    ],
)
def test_dgcnn__published_widths(config: DGCNNConfig, point_dim: int, pooled_dim: int) -> None:
    network = DGCNN(config)
    features = network(cloud())
    assert features.points.shape == (2, 40, point_dim) == (2, 40, network.point_dim)
    assert features.pooled.shape == (2, pooled_dim) == (2, network.pooled_dim)
    features.pooled.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_dgcnn__parameter_counts() -> None:
    # Products 6·64 + 128·64 + 128·128 + 256·256 + 512·1024, and two numbers per channel of each norm.
    assert sum(p.numel() for p in DGCNN(DGCNNConfig()).parameters()) == 614784 + 2 * (64 + 64 + 128 + 256 + 1024)
    # 6·64 + 64·64, 128·64 + 64·64, 128·64, 192·1024; the same for the norms.
    products = 6 * 64 + 64 * 64 + 128 * 64 + 64 * 64 + 128 * 64 + 192 * 1024
    assert sum(p.numel() for p in DGCNN(DGCNNConfig(form="segmentation")).parameters()) == products + 2 * (
        5 * 64 + 1024
    )


def test_dgcnn__explicit_edges() -> None:
    network = DGCNN(DGCNNConfig(**SMALL)).double()  # type: ignore[arg-type]
    xyz = cloud().double()
    features = network.eval()(xyz)
    x, outputs = xyz, []
    for edge in network.edges:
        index = neighbors.nearest(x, 5)
        x = textbook(x, index, edge.linear.weight, edge.norm, SLOPE).amax(dim=2)  # type: ignore[arg-type,union-attr]
        outputs.append(x)
    points = torch.cat(outputs, dim=-1)
    assert torch.allclose(features.points, points, rtol=1e-10, atol=1e-10)
    pooled = network.pool.layer(points).amax(dim=1)
    assert torch.allclose(features.pooled, pooled, rtol=1e-10, atol=1e-10)


def test_dgcnn__segmentation_explicit_edges() -> None:
    network = DGCNN(DGCNNConfig(form="segmentation", k=5, pooled_dim=24)).double().eval()
    xyz = cloud().double()
    x, outputs = xyz, []
    for edge in network.edges:
        y = textbook(x, neighbors.nearest(x, 5), edge.linear.weight, edge.norm, SLOPE)  # type: ignore[arg-type,union-attr]
        assert isinstance(edge.more, nn.ModuleList)
        for layer in edge.more:
            y = layer(y.flatten(1, 2)).view(*y.shape[:3], -1)
        x = y.amax(dim=2)
        outputs.append(x)
    assert torch.allclose(network(xyz).points, torch.cat(outputs, dim=-1), rtol=1e-10, atol=1e-10)


def test_dgcnn__max_mean_holds_the_max() -> None:
    both, alone = DGCNN(DGCNNConfig(**SMALL, pooling="max_mean")), DGCNN(DGCNNConfig(**SMALL))  # type: ignore[arg-type]
    alone.load_state_dict(both.state_dict())  # the two name their weights alike
    xyz = cloud()
    assert torch.allclose(both(xyz).pooled[:, :24], alone(xyz).pooled, atol=1e-5)


def test_dgcnn__order_of_points() -> None:
    network, xyz, order = DGCNN(DGCNNConfig(**SMALL)).eval(), cloud(), torch.randperm(40)  # type: ignore[arg-type]
    features, shuffled = network(xyz), network(xyz[:, order])
    assert torch.allclose(shuffled.pooled, features.pooled, atol=1e-5)
    assert torch.allclose(shuffled.points, features.points[:, order], atol=1e-5)


def test_dgcnn__fewer_points_than_k() -> None:
    with pytest.raises(ValueError, match="points per cloud must be at least 20 for DGCNN with k = 20, got 19"):
        DGCNN(DGCNNConfig())(cloud(n=19))


def test_dgcnn__as_many_points_as_k() -> None:
    assert DGCNN(DGCNNConfig(**SMALL))(cloud(n=5)).pooled.isfinite().all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"widths": ()}, "widths must be positive"),
        ({"pooled_dim": 0}, "pooled_dim must be positive, got 0"),
    ],
)
def test_config__out_of_range(setting: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DGCNNConfig(**setting)  # type: ignore[arg-type]


def test_dgcnn__compiles_in_one_graph() -> None:
    # In a process of its own: the shape checks that are on in tests are not made to be traced.
    code = """
import torch
from pointssl.backbones.dgcnn import DGCNN, DGCNNConfig
torch.manual_seed(0)
network, xyz = DGCNN(DGCNNConfig(k=5, widths=(16, 32), pooled_dim=24)), torch.randn(2, 40, 3)
plain = network(xyz).pooled
plain.sum().backward()
wanted = [p.grad.clone() for p in network.parameters()]
network.zero_grad()
compiled = torch.compile(network, fullgraph=True, backend="aot_eager")(xyz).pooled
compiled.sum().backward()
assert torch.allclose(compiled, plain, atol=1e-4)
assert all(torch.allclose(p.grad, w, atol=1e-3) for p, w in zip(network.parameters(), wanted))
print("same")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == "same\n", done.stderr
