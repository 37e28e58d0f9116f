"""What every backbone promises, over `BACKBONES` and the options that change a network's shape."""

import sys
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from pointssl.backbones import BACKBONES, Backbone, DGCNNConfig, PointNet2Config, PointNetConfig, build_backbone

VARIANTS: dict[str, Any] = {
    "pointnet_transforms": PointNetConfig(transforms=True, activate_pooled=True),
    "dgcnn_segmentation": DGCNNConfig(form="segmentation"),
    "pointnet2_msg": PointNet2Config(form="msg", centres=(48, 16)),
    "dgcnn_max_mean": DGCNNConfig(pooling="max_mean", k=15),
}
CONFIGS: dict[str, Any] = {name: config() for name, (config, _) in BACKBONES.items()} | VARIANTS
TRAINED = [name for name, config in CONFIGS.items() if any(True for _ in build_backbone(config).parameters())]
"""Networks with weights: descriptors have none, and so none to keep or to train."""


@pytest.fixture(params=CONFIGS)
def network(request: pytest.FixtureRequest) -> Backbone:
    """Give every network of `CONFIGS` in turn, with fresh weights."""
    return build_backbone(CONFIGS[request.param])


def size(network: Backbone, wanted: int = 64) -> int:
    """Return how many points the clouds of a test have: as many as wanted, or as the network needs."""
    return max(wanted, network.min_points)


def used(network: Backbone) -> Backbone:
    """Return the network in evaluation mode after a batch of training: its running statistics are not the default."""
    network.train()
    network(3 * torch.randn(4, size(network), 3) + 1)
    return network.eval()


@pytest.mark.parametrize("name", BACKBONES)
def test_list__builds_the_class_it_names(name: str) -> None:
    config, kind = BACKBONES[name]
    assert type(build_backbone(config())) is kind
    assert "Source:" in (sys.modules[kind.__module__].__doc__ or "")


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes__are_known_without_weights(name: str) -> None:
    # How a run is opened: its files are compared with a network that was never filled.
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in build_backbone(CONFIGS[name]).state_dict().items()}
    assert shapes == {key: value.shape for key, value in build_backbone(CONFIGS[name]).state_dict().items()}


@pytest.mark.parametrize("points", ["fewest", 256])
def test_forward__widths_are_the_declared_ones(network: Backbone, points: str | int) -> None:
    n = network.min_points if isinstance(points, str) else size(network, points)
    features = network(torch.randn(2, n, 3))
    assert features.points.shape == (2, n, network.point_dim)
    assert features.pooled.shape == (2, network.pooled_dim)
    assert features.points.isfinite().all()
    assert features.pooled.isfinite().all()


def test_forward__refuses_fewer_points_than_it_needs(network: Backbone) -> None:
    n = network.min_points - 1
    with pytest.raises(ValueError, match=f"points per cloud must be at least {network.min_points} .* got {n}"):
        network(torch.randn(2, n, 3))


@torch.no_grad()
def test_forward__points_follow_the_order_and_pooled_does_not(network: Backbone) -> None:
    n = size(network)
    xyz, order = torch.randn(2, n, 3), torch.randperm(n)
    network = used(network)
    straight, mixed = network(xyz), network(xyz[:, order])
    torch.testing.assert_close(mixed.points, straight.points[:, order], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mixed.pooled, straight.pooled, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(mixed.points, straight.points, atol=1e-2)  # the order did change something


@torch.no_grad()
def test_eval__is_deterministic(network: Backbone) -> None:
    xyz = torch.randn(2, size(network), 3)
    network = used(network)
    first, second = network(xyz), network(xyz)
    assert torch.equal(first.points, second.points)
    assert torch.equal(first.pooled, second.pooled)


@torch.no_grad()
def test_eval__clouds_of_a_batch_do_not_influence_each_other(network: Backbone) -> None:
    network = used(network)
    xyz = torch.randn(2, size(network), 3)
    other = torch.stack([xyz[0], 10 * torch.randn(size(network), 3)])
    torch.testing.assert_close(network(other).pooled[0], network(xyz).pooled[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network(xyz[:1]).pooled[0], network(xyz).pooled[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", TRAINED, indirect=True)
def test_state_dict__carries_the_whole_network(network: Backbone, request: pytest.FixtureRequest) -> None:
    network = used(network)
    config = CONFIGS[request.node.callspec.params["network"]]
    torch.manual_seed(1)
    twin = build_backbone(config).eval()
    xyz = torch.randn(2, size(network), 3)
    assert not torch.allclose(twin(xyz).pooled, network(xyz).pooled)
    twin.load_state_dict(network.state_dict())
    assert torch.equal(twin(xyz).pooled, network(xyz).pooled)


@pytest.mark.parametrize("network", TRAINED, indirect=True)
def test_forward__every_parameter_gets_a_gradient(network: Backbone) -> None:
    features = network(torch.randn(4, size(network, 32), 3))
    (features.points.square().mean() + features.pooled.square().mean()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize("training", [True, False])
def test_forward__holds_nothing_on_a_fixed_device(
    network: Backbone, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On the meta device there is no memory: whatever was made on the processor cannot take part. It has no autocast
    # either, so that is taken out of the way; what autocast does is tested elsewhere.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    network = network.to("meta").train(training)
    features = network(torch.empty(2, size(network), 3, device="meta"))
    assert features.points.device.type == features.pooled.device.type == "meta"
    assert features.points.shape == (2, size(network), network.point_dim)
