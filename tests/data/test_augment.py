"""Augmentations: each does what its name says, only when asked, with the numbers of the generator it is given."""

import math
from typing import Literal

import pytest
import torch

from pointssl.data.augment import (
    AugmentConfig,
    augment,
    crop,
    drop,
    local_crop,
    neighbourhood,
    recentred,
    region,
    rotations,
    tilts,
    turns,
)
from pointssl.ops.batch_rng import Draws


def _draws(clouds: int) -> Draws:
    return Draws(torch.Generator().manual_seed(1), clouds)


def _apply(xyz: torch.Tensor, config: AugmentConfig, seed: int = 0) -> torch.Tensor:
    return augment(xyz, config, Draws(torch.Generator().manual_seed(seed), len(xyz)))


def test_augment__none_is_the_default_and_changes_nothing() -> None:
    xyz = torch.randn(3, 10, 3)
    assert AugmentConfig().is_none
    assert torch.equal(_apply(xyz, AugmentConfig()), xyz)


def test_augment__leaves_its_input_alone_and_follows_the_generator() -> None:
    config = AugmentConfig(
        scale=(0.5, 2.0), axis_scale=(0.9, 1.1), shift=0.3, rotation="full", jitter=0.02, dropout=0.5, crop=0.3
    )
    assert not config.is_none
    xyz = torch.randn(4, 20, 3)
    before = xyz.clone()
    changed = _apply(xyz, config)
    assert torch.equal(xyz, before)
    assert changed.shape == xyz.shape
    assert torch.equal(changed, _apply(xyz, config))
    assert not torch.equal(changed, _apply(xyz, config, seed=1))


def test_scale__one_factor_per_cloud_within_bounds() -> None:
    xyz = torch.rand(50, 6, 3) + 1
    factor = _apply(xyz, AugmentConfig(scale=(0.8, 1.25))) / xyz
    torch.testing.assert_close(factor, factor[:, :1, :1].expand_as(factor))
    assert factor.min() >= 0.8 - 1e-6
    assert factor.max() <= 1.25 + 1e-6
    assert factor.std() > 0.05


def test_axis_scale__one_factor_per_axis() -> None:
    xyz = torch.rand(8, 6, 3) + 1
    factor = _apply(xyz, AugmentConfig(axis_scale=(0.5, 2.0))) / xyz
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor))
    assert (factor[:, 0, 0] - factor[:, 0, 1]).abs().max() > 0.1


def test_shift__one_vector_per_cloud_within_bounds() -> None:
    xyz = torch.randn(40, 6, 3)
    moved = _apply(xyz, AugmentConfig(shift=0.2)) - xyz
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), atol=1e-6, rtol=0)
    assert 0.1 < moved.abs().max() <= 0.2 + 1e-6
    assert moved.min() < -0.1


@pytest.mark.parametrize(("up", "axis"), [("x", 0), ("y", 1), ("z", 2)])
def test_turns__leave_the_up_axis_where_it_is(up: Literal["x", "y", "z"], axis: int) -> None:
    matrix = turns(_draws(20), up)
    pole = torch.eye(3)[axis]
    torch.testing.assert_close(matrix @ pole, pole.expand(20, 3))
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand(20, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(20))
    assert (matrix - torch.eye(3)).abs().amax(dim=(1, 2)).median() > 0.5


def test_rotations__are_rotations_and_uniform() -> None:
    matrix = rotations(_draws(20_000))
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand_as(matrix), atol=1e-5, rtol=0)
    assert torch.linalg.det(matrix).min() > 0.99
    # A uniform rotation sends a pole anywhere: mean 0, second moments 1/3; 20000 draws have errors of about 0.004.
    torch.testing.assert_close(matrix.mean(dim=0), torch.zeros(3, 3), atol=0.02, rtol=0)
    torch.testing.assert_close(matrix.square().mean(dim=0), torch.full((3, 3), 1 / 3), atol=0.02, rtol=0)


def test_jitter__has_its_size_and_its_clip() -> None:
    xyz = torch.zeros(100, 50, 3)
    noise = _apply(xyz, AugmentConfig(jitter=0.02, jitter_clip=1.0))
    assert float(noise.std()) == pytest.approx(0.02, rel=0.03)
    clipped = _apply(xyz, AugmentConfig(jitter=0.02, jitter_clip=0.03))
    assert float(clipped.abs().max()) == pytest.approx(0.03)


def test_drop__keeps_points_and_drops_at_most_the_share() -> None:
    xyz = torch.randn(200, 60, 3)
    dropped = drop(xyz, 0.8, _draws(200))
    same = (dropped == xyz).all(dim=-1)
    lost = 1 - same.float().mean(dim=1)
    assert lost.max() < 0.95  # at most 0.8 on average; binomial noise on 60 points is 0.05
    assert float(lost.mean()) == pytest.approx(0.4, abs=0.06)
    for cloud, original in zip(dropped[:5], xyz[:5], strict=True):
        assert {tuple(p) for p in cloud.tolist()} <= {tuple(p) for p in original.tolist()}


def test_drop__never_leaves_a_cloud_empty() -> None:
    class All(Draws):
        def uniform(self, *shape: int) -> torch.Tensor:
            return torch.zeros(2, *shape) if shape != (1,) else torch.ones(2, 1)

    xyz = torch.randn(2, 5, 3)
    kept = drop(xyz, 0.9, All(torch.Generator(), 2))
    assert torch.equal(kept, xyz[:, -1:].expand_as(xyz))


def test_crop__takes_away_one_ball() -> None:
    xyz = torch.arange(10.0)[None, :, None].expand(1, 10, 3).contiguous()
    left = sorted({float(p) for p in crop(xyz, 0.4, _draws(1))[0, :, 0]})
    assert len(left) == 6
    gone = sorted(set(range(10)) - {int(p) for p in left})
    assert gone[-1] - gone[0] <= 4 + 1  # neighbours on the line, up to ties at both ends of the ball


def test_crop__of_equal_points_still_takes_its_share() -> None:
    xyz = torch.zeros(1, 10, 3)
    assert torch.equal(crop(xyz, 0.4, _draws(1)), xyz)


def test_region__keeps_one_ball_of_a_share_within_bounds() -> None:
    xyz = torch.arange(100.0)[None, :, None].expand(300, 100, 3).contiguous()
    kept = [sorted({int(p) for p in cloud[:, 0]}) for cloud in region(xyz, (0.3, 0.6), _draws(300))]
    sizes = torch.tensor([float(len(places)) for places in kept])
    assert 30 <= sizes.min() < 33
    assert 57 < sizes.max() <= 60
    assert all(places[-1] - places[0] == len(places) - 1 for places in kept)


def test_region__of_everything_changes_nothing() -> None:
    xyz = torch.randn(3, 20, 3)
    assert torch.equal(region(xyz, (1.0, 1.0), _draws(3)), xyz)


def test_neighbourhood__are_the_nearest_by_brute_force() -> None:
    xyz = torch.randn(6, 30, 3)
    for cloud, part in zip(xyz, neighbourhood(xyz, 7, _draws(6)), strict=True):
        distance = (cloud - part[0]).norm(dim=1)
        nearest = cloud[distance.argsort()[:7]]
        torch.testing.assert_close(part, nearest, rtol=0, atol=0)


def test_recentred__by_hand_and_after_stretching() -> None:
    cloud = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [4, 0, 0]]])
    torch.testing.assert_close(recentred(cloud), torch.tensor([[[-1.0, 0, 0], [0, 0, 0], [1, 0, 0]]]))
    assert torch.equal(recentred(torch.full((1, 4, 3), 7.0)), torch.zeros(1, 4, 3))
    changed = _apply(torch.randn(5, 40, 3), AugmentConfig(axis_scale=(0.5, 2.0), crop=0.3, recentre=True))
    torch.testing.assert_close(changed.norm(dim=-1).amax(dim=1), torch.ones(5))
    assert not AugmentConfig(recentre=True).is_none


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": (1.2, 0.8)}, "scale must be two positive factors"),
        ({"axis_scale": (0.0, 1.0)}, "axis_scale must be two positive factors"),
        ({"shift": -0.1}, "shift must be at least 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"crop": -math.inf}, "crop must be"),
        ({"region": (0.5, 1.2)}, "region must be two shares"),
        ({"region": (0.0, 1.0)}, "region must be two shares"),
    ],
)
def test_config__refuses_impossible_ranges(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentConfig(**change)  # type: ignore[arg-type]


def test_tilts__are_small_rotations_about_all_axes() -> None:
    turn = tilts(_draws(4000), 0.06)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).expand(4000, -1, -1), atol=1e-5, rtol=0)
    assert (torch.linalg.det(turn) > 0).all()
    # For small angles the antisymmetric part holds them: three, each of deviation 0.06, none above 0.18.
    angle = (
        torch.stack([turn[:, 2, 1] - turn[:, 1, 2], turn[:, 0, 2] - turn[:, 2, 0], turn[:, 1, 0] - turn[:, 0, 1]]) / 2
    )
    assert angle.std(dim=1).tolist() == pytest.approx([0.06] * 3, abs=0.004)
    assert angle.abs().max().item() < 0.2
    assert AugmentConfig(tilt=0.1).is_none is False


def test_local_crop__is_a_neighbourhood_spared_crop_and_region() -> None:
    xyz = torch.randn(2, 40, 3)
    config = AugmentConfig(crop=0.5, region=(0.1, 0.1))
    part = local_crop(xyz, 0.25, 1, config, _draws(2))
    assert part.shape == (2, 10, 3)
    assert all(len({tuple(point) for point in cloud.tolist()}) == 10 for cloud in part)
    assert local_crop(xyz, 0.25, 16, config, _draws(2)).shape == (2, 16, 3)
    assert local_crop(xyz, 0.25, 99, config, _draws(2)).shape == (2, 40, 3)
