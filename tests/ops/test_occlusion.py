"""What a camera sees: a sphere whose visible cap is known by geometry, and one wall behind another."""

import math

import torch

from pointssl.ops.batch_rng import Draws
from pointssl.ops.render.cameras import ring
from pointssl.ops.render.occlusion import keep_seen, visible


def test_visible__of_a_sphere_is_the_cap_of_geometry() -> None:
    # From distance d a unit sphere shows the points whose height along the viewing axis is above 1 / d.
    chance = torch.Generator().manual_seed(0)
    sphere = torch.nn.functional.normalize(torch.randn(1, 4000, 3, generator=chance), dim=-1)
    cameras = ring(2, elevation=20.0, distance=2.0)
    seen = visible(sphere, cameras, size=64, tolerance=0.2)
    towards = torch.nn.functional.normalize(cameras.eye[0], dim=-1) @ sphere[0].T
    for view in range(2):
        assert seen[0, view][towards[view] > 0.5 + 0.05].float().mean() > 0.95
        assert seen[0, view][towards[view] < 0.5 - 0.3].float().mean() < 0.05
        assert abs(seen[0, view].float().mean().item() - 0.25) < 0.06  # a cap of height 1 - 1/d, Archimedes


def test_visible__a_wall_hides_what_stands_behind_it() -> None:
    line = torch.linspace(-0.5, 0.5, 30)
    y, z = torch.meshgrid(line, line, indexing="ij")
    walls = [torch.stack([y, z, torch.full_like(y, depth)], dim=-1).view(-1, 3) for depth in (0.4, -0.4)]
    cameras = ring(1, elevation=0.0, distance=3.0)
    assert cameras.eye[0, 0, 2] > 2.9  # it looks along z, and sees the wall at 0.4 first
    seen = visible(torch.cat(walls)[None], cameras, size=48, tolerance=0.05)[0, 0]
    assert seen[:900].all()
    assert not seen[900:].any()


def test_keep_seen__holds_seen_points_alone_each_about_as_often() -> None:
    xyz = torch.arange(30.0).view(1, 10, 3).repeat(2, 1, 1)
    seen = torch.zeros(2, 10, dtype=torch.bool)
    seen[0, [1, 4, 7]] = True  # and nothing of the other cloud, which is then taken whole
    kept = keep_seen(xyz, seen, 7, Draws(torch.Generator().manual_seed(0), 2))
    place, count = (kept[0, :, 0] / 3).unique(return_counts=True)
    assert place.tolist() == [1, 4, 7]
    assert sorted(count.tolist()) == [2, 2, math.ceil(7 / 3)]
    assert len(kept[1, :, 0].unique()) == 7
