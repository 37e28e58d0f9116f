"""The jigsaw: voxels and shifts against loops, the loss against numpy, and clouds too small for their pieces."""

from pathlib import Path

import numpy as np
import pytest
import torch

import pointssl
from pointssl.app.recipes import RECIPES
from pointssl.backbones import PointNetConfig, build_backbone
from pointssl.errors import UserError
from pointssl.methods import Jigsaw, JigsawConfig
from pointssl.methods.jigsaw import shuffle, to_cube, voxels
from pointssl.types import CloudBatch


def clouds() -> torch.Tensor:
    """Return two clouds of different size and place."""
    chance = torch.Generator().manual_seed(0)
    return torch.randn(2, 200, 3, generator=chance) * torch.tensor([[[1.0]], [[9.0]]]) + 4


def test_to_cube__the_longest_side_becomes_two() -> None:
    cube = to_cube(clouds())
    low, high = cube.amin(dim=1), cube.amax(dim=1)
    torch.testing.assert_close(low + high, torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close((high - low).amax(dim=1), torch.full((2,), 2.0))


def test_voxels__are_those_of_a_loop() -> None:
    cube = to_cube(clouds())
    for cloud, found in zip(cube.double().numpy(), voxels(cube, 3).tolist(), strict=True):
        for point, voxel in zip(cloud, found, strict=True):
            x, y, z = (min(int((value + 1) / (2 / 3)), 2) for value in point)
            assert voxel == 9 * x + 3 * y + z


def test_shuffle__moves_every_piece_as_a_whole_into_its_place() -> None:
    cube = to_cube(clouds()) * 0.999  # no point on a wall
    voxel = voxels(cube, 3)
    order = torch.stack([torch.randperm(27, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)])
    moved = shuffle(cube, voxel, order, 3)
    assert torch.equal(voxels(moved, 3), order.gather(1, voxel))
    for cloud in range(2):
        for piece in voxel[cloud].unique():
            shift = (moved - cube)[cloud][voxel[cloud] == piece]
            torch.testing.assert_close(shift, shift[:1].expand_as(shift))
    torch.testing.assert_close(shuffle(cube, voxel, torch.arange(27).expand(2, -1), 3), cube)


def test_loss__is_the_mean_cross_entropy_of_the_original_voxels() -> None:
    torch.manual_seed(0)
    method = Jigsaw(build_backbone(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)), JigsawConfig(pieces=2))
    seen: list[torch.Tensor] = []
    method.head.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    output = method.eval()(CloudBatch(xyz=clouds()), torch.Generator().manual_seed(0))
    logits, label = seen[0].double().numpy().reshape(-1, 8), voxels(to_cube(clouds()), 2).flatten().numpy()
    wanted = np.mean([np.log(np.exp(row).sum()) - row[own] for row, own in zip(logits, label, strict=True)])
    assert output.loss.item() == pytest.approx(wanted, rel=1e-5)
    assert output.logs["accuracy"].item() == pytest.approx(np.mean(logits.argmax(axis=1) == label))


def test_too_few_points__are_refused_before_the_work(tmp_path: Path) -> None:
    config = RECIPES["parae-tiny"]
    from dataclasses import replace

    config = replace(config, method=JigsawConfig(pieces=7))
    with pytest.raises(UserError, match=r"data.points is 256, but Jigsaw needs at least 343 points per cloud"):
        pointssl.pretrain(config, tmp_path / "run", data="synthetic")
    assert not (tmp_path / "run" / "config.json").exists()


def test_settings__that_cannot_work() -> None:
    with pytest.raises(ValueError, match="pieces must be at least 2"):
        JigsawConfig(pieces=1)
    with pytest.raises(ValueError, match="head must be positive"):
        JigsawConfig(head=())
