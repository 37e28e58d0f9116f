"""IAE: the distance against scipy's tree, the decoder by hand, where distances are asked, and what the encoder sees."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pointssl.backbones import DGCNNConfig, PointNetConfig, build_backbone
from pointssl.methods import IAE, IAEConfig
from pointssl.methods.iae import DistanceDecoder
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch

POINTNET = PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)


def build(encoder: Any = POINTNET, **changes: Any) -> IAE:
    """Return a small method with weights from seed 0."""
    torch.manual_seed(0)
    return IAE(build_backbone(encoder), IAEConfig(**({"queries": 30, "width": 8, "blocks": 2} | changes)))


def clouds(count: int = 3, points: int = 40) -> torch.Tensor:
    """Return random clouds."""
    return torch.randn(count, points, 3, generator=torch.Generator().manual_seed(1))


def test_loss__is_the_error_of_the_distance_to_all_points() -> None:
    method = build().eval()
    asked: list[torch.Tensor] = []
    told: list[torch.Tensor] = []
    method.decoder.register_forward_hook(lambda _, inputs, __: asked.append(inputs[1]))
    method.decoder.register_forward_hook(lambda _, __, output: told.append(output.detach()))
    output = method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    trees = [cKDTree(cloud.double().numpy()) for cloud in clouds()]
    error = [
        np.abs(said.double().numpy() - tree.query(places.double().numpy())[0])
        for said, tree, places in zip(told[0], trees, asked[0], strict=True)
    ]
    assert output.loss.item() == pytest.approx(np.mean(error), rel=1e-4)
    assert output.logs["error_near"].item() == pytest.approx(np.mean([e[:15] for e in error]), rel=1e-4)
    assert output.logs["error_far"].item() == pytest.approx(np.mean([e[15:] for e in error]), rel=1e-4)


def test_places__near_the_points_and_anywhere_in_the_box() -> None:
    method = build(queries=2000, near=0.25, spread=0.01, half=1.5)
    query, close = method.places(clouds(), Draws(torch.Generator().manual_seed(0), 3))
    assert (query.shape, close) == ((3, 2000, 3), 500)
    for cloud in range(3):
        away = cKDTree(clouds()[cloud].numpy()).query(query[cloud, :500].numpy())[0]
        assert away.max() < 0.06  # steps of 0.01 along each axis
    box = query[:, 500:]
    assert box.abs().max() <= 1.5
    assert box.flatten(0, 1).std(dim=0).tolist() == pytest.approx([1.5 / 3**0.5] * 3, rel=0.05)


def test_encoder__sees_a_share_with_noise_and_never_too_few() -> None:
    for encoder in (POINTNET, DGCNNConfig(k=20)):
        method = build(encoder, seen=0.25, noise=0.001)
        seen: list[torch.Tensor] = []
        method.backbone.register_forward_hook(lambda _, inputs, __, seen=seen: seen.append(inputs[0]))
        count = max(10, method.backbone.min_points)
        method(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
        assert seen[0].shape == (3, count, 3)
        away = cKDTree(clouds()[0].numpy()).query(seen[0][0].numpy())
        assert 0 < away[0].max() < 0.01
        assert len(set(away[1].tolist())) == count


def test_decoder__by_hand() -> None:
    decoder = DistanceDecoder(2, 3, 1)
    code, query = torch.randn(1, 2), torch.randn(1, 4, 3)
    x = decoder.place(query) + decoder.context[0](code)
    layers = dict(decoder.blocks[0].named_children())
    x = x + layers["3"](layers["1"](x.relu()).relu())
    torch.testing.assert_close(decoder(code, query), decoder.distance[1](x.relu())[..., 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seen": 0.0}, "seen must be above 0"),
        ({"near": 1.5}, "near must be between 0 and 1"),
        ({"spread": -1.0}, "noise and spread must be at least 0"),
        ({"queries": 0}, "queries, width and blocks must be at least 1"),
    ],
)
def test_settings__that_cannot_work(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IAEConfig(**changes)
