# mypy: disable-error-code="union-attr,index,attr-defined,arg-type"
"""PointNet++ against explicit neighbourhoods, ball by ball and point by point."""

import pytest
import torch
from torch import Tensor, nn

from pointssl.backbones.pointnet2 import Level, PointNet2, PointNet2Config, Scale
from pointssl.ops.kernels import grouping


def textbook(level: Level, xyz: Tensor, x: Tensor, centre: Tensor) -> Tensor:
    """Gather (x_j - c, f_j) of every ball, filled up with its nearest point, and run the layers on all of them."""
    seen = []
    for scale, layers in zip(level.scales, level.networks, strict=True):
        rows = []
        for cloud in range(len(xyz)):
            for c in centre[cloud]:
                away = (xyz[cloud] - c).norm(dim=-1)
                order = away.argsort()[: scale.neighbours].tolist()
                inside = [j for j in order if away[j] <= scale.radius]
                inside += [order[0]] * (scale.neighbours - len(inside))
                rows.append(torch.cat([xyz[cloud, inside] - c, x[cloud, inside]], dim=-1))
        edges = torch.stack(rows)  # (b m, k, 3 + d)
        for layer in layers:
            edges = layer(edges)
        seen.append(edges.amax(dim=1).unflatten(0, centre.shape[:2]))
    return torch.cat(seen, dim=-1)


@pytest.mark.parametrize("training", [True, False])
def test_level__explicit_balls(training: bool) -> None:
    level = Level(2, 6, (Scale(0.9, 4, (5, 7)), Scale(1.5, 9, (3,)))).double().train(training)
    xyz, x = torch.randn(2, 20, 3).double(), torch.randn(2, 20, 2).double()
    centre, found = level(xyz, x)
    torch.testing.assert_close(found, textbook(level, xyz, x, centre), rtol=1e-9, atol=1e-9)
    assert found.shape == (2, 6, 10)


@pytest.mark.parametrize(("form", "first", "second"), [("ssg", 128, 256), ("msg", 320, 640)])
def test_pointnet2__published_widths(form: str, first: int, second: int) -> None:
    network = PointNet2(PointNet2Config(form=form))
    assert [level.out_dim for level in network.levels] == [first, second]
    assert [level.count for level in network.levels] == [512, 128]
    assert (network.point_dim, network.pooled_dim, network.min_points) == (128, 1024, 512)
    assert network.whole[0].linear.in_features == second + 3
    assert [back[0].linear.in_features for back in network.back] == [1024 + second, 256 + first, 128 + 3]


@torch.no_grad()
def test_forward__whole_cloud_and_the_way_back() -> None:
    network = PointNet2(PointNet2Config(centres=(9, 4))).eval()
    xyz = torch.randn(2, 30, 3)
    one, first = network.levels[0](xyz, xyz[..., :0])
    two, second = network.levels[1](one, first)
    pooled = network.pool.layer(network.whole(torch.cat([two, second], dim=-1))).amax(dim=1)
    x = torch.cat([second, pooled[:, None].repeat(1, 4, 1)], dim=-1)
    x = torch.cat([first, grouping.interpolate(network.back[0](x), two, one)], dim=-1)
    x = torch.cat([xyz, grouping.interpolate(network.back[1](x), one, xyz)], dim=-1)
    features = network(xyz)
    torch.testing.assert_close(features.pooled, pooled)
    torch.testing.assert_close(features.points, network.back[2](x))


def test_level__sees_nothing_beyond_its_radius() -> None:
    level = Level(0, 1, (Scale(0.5, 8, (4,)),)).eval()
    nn.init.normal_(level.networks[0][0].linear.weight)
    xyz = torch.rand(1, 12, 3) * 0.2
    far = xyz.clone()
    xyz[0, 0], far[0, 0] = torch.tensor([9.0, 0, 0]), torch.tensor([7.0, 0, 0])  # the first centre, alone in its ball
    assert torch.equal(level(xyz, xyz[..., :0])[1], level(far, far[..., :0])[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"centres": (4, 9)}, "centres must be positive and not grow"),
        ({"pooled_dim": 0}, "pooled_dim must be positive, got 0"),
    ],
)
def test_config__refuses_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointNet2Config(**settings)
