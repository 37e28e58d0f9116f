"""Cameras: where they stand, which way is up, and that pixels and points agree about where things are."""

import math

import pytest
import torch

from pointssl.ops.batch_rng import Draws
from pointssl.ops.render.cameras import MARGIN, Cameras, Projection, axes, fit, project, random_cameras, rays, ring

BOTH: tuple[Projection, ...] = ("perspective", "orthographic")


def draws(clouds: int, seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed), clouds)


def test_ring__stands_where_it_says() -> None:
    eye = ring(4, 30.0, 2.0, up="z").eye[0]  # by hand: height 2 sin 30, reach 2 cos 30, a quarter turn each
    high, wide = 1.0, math.sqrt(3)
    expected = torch.tensor([[wide, 0, high], [0, wide, high], [-wide, 0, high], [0, -wide, high]])
    torch.testing.assert_close(eye, expected, atol=1e-6, rtol=0)


def test_ring__several_elevations_in_turn() -> None:
    height = ring(5, [0.0, 90.0], 2.0, up="y").eye[0, :, 1]
    torch.testing.assert_close(height, torch.tensor([0.0, 2.0, 0.0, 2.0, 0.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("up", ["x", "y", "z"])
def test_axes__right_handed_and_upright(up: str) -> None:
    cameras = ring(6, 20.0, up=up)  # type: ignore[arg-type]
    frame = axes(cameras)[0]
    torch.testing.assert_close(torch.linalg.det(frame), torch.ones(6))
    torch.testing.assert_close(frame @ frame.mT, torch.eye(3).expand(6, 3, 3), atol=1e-6, rtol=0)
    seen = project(torch.eye(3)["xyz".index(up)].view(1, 1, 3) * 0.5, cameras)
    assert (seen.top > 0.1).all()  # what is up in the data is up in every picture
    torch.testing.assert_close(seen.right, torch.zeros(1, 6, 1), atol=1e-6, rtol=0)


def test_axes__straight_from_above() -> None:
    frame = axes(ring(3, 90.0))
    torch.testing.assert_close(frame @ frame.mT, torch.eye(3).expand(1, 3, 3, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("projection", BOTH)
def test_project__target_and_a_point_to_the_right(projection: Projection) -> None:
    cameras = Cameras(
        eye=torch.tensor([[[0.0, 0, 3]]]),
        target=torch.zeros(1, 1, 3),
        up=torch.tensor([[[0.0, 5, 0]]]),
        extent=1.5,
        projection=projection,
    )
    seen = project(torch.tensor([[[0.0, 0, 0], [0.75, 0, 0], [0.75, 0.75, 1]]]), cameras)
    # By hand: 0.75 is half of the extent; a radius nearer, a pinhole shows 3 / 2 as much of it.
    nearer = 0.75 if projection == "perspective" else 0.5
    assert seen.right[0, 0].tolist() == pytest.approx([0, 0.5, nearer])
    assert seen.top[0, 0].tolist() == pytest.approx([0, 0, nearer])
    assert seen.depth[0, 0].tolist() == pytest.approx([3, 3, 2])


@pytest.mark.parametrize("projection", BOTH)
def test_rays__lead_to_their_own_pixel(projection: Projection) -> None:
    cameras, size = random_cameras(draws(2), 3, projection=projection), 5
    beam = rays(cameras, size)
    step = torch.linspace(1.0, 3.0, size * size).view(size, size)
    seen = project((beam.origin + step[..., None] * beam.direction).view(2, 3 * size * size, 3), cameras)
    centre = (2 * torch.arange(size) + 1) / size - 1
    for cloud in range(2):
        for view in range(3):
            own = slice(view * size * size, (view + 1) * size * size)
            right, top, depth = (part[cloud, view, own].view(size, size) for part in seen)
            torch.testing.assert_close(right, centre.expand(size, size), atol=1e-5, rtol=0)
            torch.testing.assert_close(top, -centre[:, None].expand(size, size), atol=1e-5, rtol=0)
            torch.testing.assert_close(depth, step, atol=1e-5, rtol=0)


@pytest.mark.parametrize("projection", BOTH)
def test_fit__sphere_fills_the_picture_up_to_the_margin(projection: Projection) -> None:
    points = torch.nn.functional.normalize(torch.randn(1, 20_000, 3, generator=torch.Generator().manual_seed(0)), dim=2)
    seen = project(points, ring(2, projection=projection))
    assert seen.right.amax().item() == pytest.approx(1 / MARGIN, abs=2e-3)
    assert fit(1e6, "perspective") == pytest.approx(fit(2.0, "orthographic"))  # far away, both are the same


def test_random_cameras__views_are_distinct_and_in_range() -> None:
    eye = random_cameras(draws(50), 8, elevation=(10.0, 40.0), distance=3.0, up="z").eye
    torch.testing.assert_close(eye.norm(dim=-1), torch.full((50, 8), 3.0))
    elevation = torch.rad2deg(torch.asin(eye[..., 2] / 3))
    assert 10 <= elevation.min() < 12
    assert 38 < elevation.max() <= 40
    azimuth = torch.rad2deg(torch.atan2(eye[..., 1], eye[..., 0])) % 360
    # One view in each sector of 45 degrees, whatever the start: no gap exceeds two sectors.
    gaps = azimuth.sort(dim=1).values.diff(dim=1, append=azimuth.amin(dim=1, keepdim=True) + 360)
    assert gaps.max() < 90
    assert len(eye.view(-1, 3).unique(dim=0)) == 400


def test_random_cameras__sphere_is_uniform() -> None:
    eye = random_cameras(draws(2000), 4, distance=2.0, around="sphere").eye.view(-1, 3) / 2
    # Uniform directions have mean 0 and covariance 1/3; 8,000 draws leave a standard error of 0.006.
    torch.testing.assert_close(eye.mean(dim=0), torch.zeros(3), atol=0.03, rtol=0)
    torch.testing.assert_close(eye.T @ eye / len(eye), torch.eye(3) / 3, atol=0.03, rtol=0)


def test_random_cameras__parts_of_a_batch_draw_what_the_whole_would() -> None:
    whole = random_cameras(draws(6), 3).eye
    parts = [random_cameras(Draws(torch.Generator().manual_seed(0), 3, first, 6), 3).eye for first in (0, 3)]
    torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": 0}, "views must be at least 1"),
        ({"views": 2, "elevation": 100.0}, "elevation must be within"),
        ({"views": 2, "distance": 0.5}, "distance must be above 1"),
    ],
)
def test_ring__refuses(settings: dict[str, int | float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ring(**settings)  # type: ignore[arg-type]


def test_cameras__extent_must_be_positive() -> None:
    with pytest.raises(ValueError, match="extent must be above 0"):
        Cameras(torch.ones(1, 1, 3), torch.zeros(1, 1, 3), torch.ones(1, 1, 3), extent=0.0)
