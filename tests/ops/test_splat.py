"""Splats: against a pixel-by-pixel depth buffer, an analytic sphere, and by hand."""

import math

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.ops.batch_rng import Draws
from pointssl.ops.render.cameras import Cameras, Projection, project, random_cameras, ring
from pointssl.ops.render.splat import NEAREST, Channels, depth_picture, render_clouds, shade, splat


def draws(clouds: int, seed: int = 0) -> Draws:
    return Draws(torch.Generator().manual_seed(seed), clouds)


def sphere(points: int, seed: int = 0) -> Float[Tensor, "1 n 3"]:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(1, points, 3, generator=generator), dim=-1)


def front(extent: float = 1.0, distance: float = 2.0, projection: Projection = "orthographic") -> Cameras:
    """One camera on the z axis that looks down it."""
    eye = torch.tensor([[[0.0, 0.0, distance]]])
    return Cameras(eye, torch.zeros(1, 1, 3), torch.tensor([[[0.0, 1.0, 0.0]]]), extent, projection)


def brute_force(
    xyz: Float[Tensor, "b n 3"], cameras: Cameras, size: int, radius: int
) -> dict[tuple[int, int, int, int], tuple[float, int]]:
    """Depth and number of the nearest point of each covered pixel, by a loop over all points and pixels of discs."""
    seen = project(xyz, cameras)
    found: dict[tuple[int, int, int, int], tuple[float, int]] = {}
    for b, v, n in torch.cartesian_prod(*(torch.arange(s) for s in seen.depth.shape)).tolist():
        depth = seen.depth[b, v, n].item()
        column = math.floor((seen.right[b, v, n].item() + 1) / 2 * size)
        row = math.floor((1 - seen.top[b, v, n].item()) / 2 * size)
        if depth <= 0 or not (0 <= column < size and 0 <= row < size):
            continue
        for y in range(max(0, row - radius), min(size, row + radius + 1)):
            for x in range(max(0, column - radius), min(size, column + radius + 1)):
                best = found.get((b, v, y, x), (math.inf, -1))
                if (y - row) ** 2 + (x - column) ** 2 <= radius**2:
                    found[b, v, y, x] = min(best, (depth, n))
    return found


@pytest.mark.parametrize("radius", [0, 1, 2])
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_splat__equals_a_loop_over_points(radius: int, projection: Projection) -> None:
    xyz = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(1)) * 0.8  # some lie outside the pictures
    cameras = random_cameras(draws(2), 3, projection=projection)
    made = splat(xyz, cameras, 12, radius)
    assert made.depth.shape == made.point.shape == (2, 3, 12, 12)
    expected = brute_force(xyz, cameras, 12, radius)
    covered = {tuple(place) for place in (made.point >= 0).nonzero().tolist()}
    assert covered == set(expected)
    for place, (depth, point) in expected.items():
        assert made.depth[place].item() == depth
        assert made.point[place].item() == point
    assert made.depth[made.point < 0].isinf().all()


def test_splat__depth_of_a_sphere() -> None:
    size = 24
    made = splat(sphere(100_000), front(), size, 0)
    middle = (2 * torch.arange(size) + 1) / size - 1
    off = middle.square()[:, None] + middle.square()
    inner = off < 0.6  # at the rim a pixel spans too much depth
    expected = 2 - (1 - off[inner]).sqrt()
    # The nearest point of a pixel lies up to half a diagonal towards the middle: slope (at most 1.2) times 0.06.
    assert (made.depth[0, 0][inner] - expected).abs().max() < 0.1
    assert (made.depth[0, 0][inner] - expected).abs().median() < 0.03


@pytest.mark.parametrize("distance", [0.5, 2.5, 100.0])
def test_splat__any_positive_depth(distance: float) -> None:
    made = splat(torch.zeros(1, 1, 3), front(distance=distance), 1, 0)
    assert made.depth.item() == distance
    assert made.point.item() == 0


def test_splat__behind_the_camera_and_outside_paint_nothing() -> None:
    xyz = torch.tensor([[[0.0, 0, 3], [0, 0, 2], [1.01, 0, 0], [0, -5, 0]]])
    made = splat(xyz, front(), 8, 2)
    assert made.depth.isinf().all()
    assert (made.point == -1).all()


def test_splat__equal_depths_go_to_the_first_point() -> None:
    made = splat(torch.zeros(1, 5, 3), front(), 3, 1)
    assert made.point[0, 0].tolist() == [[-1, 0, -1], [0, 0, 0], [-1, 0, -1]]  # a disc of radius 1 is a cross


def test_splat__row_zero_is_the_top() -> None:
    made = splat(torch.tensor([[[0.9, 0.9, 0.0]]]), front(), 4, 0)
    assert (made.point >= 0).nonzero().tolist() == [[0, 0, 0, 3]]


def test_splat__not_disturbed_by_autocast() -> None:
    xyz, cameras = sphere(200), ring(3)
    plain = splat(xyz, cameras, 16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = splat(xyz, cameras, 16)
    assert torch.equal(plain.depth, inside.depth)


def test_depth_picture__near_far_nothing() -> None:
    depth = torch.tensor([1.0, 2.0, 3.0, torch.inf]).view(1, 1, 2, 2)
    shown = depth_picture(depth, front(distance=2.0)).flatten().tolist()
    assert shown == pytest.approx([1, (1 + NEAREST) / 2, NEAREST, 0])


@pytest.mark.parametrize(
    ("channels", "count", "background"), [("depth", 1, 0.0), ("shaded", 1, 1.0), ("normal", 3, 0.5)]
)
def test_render_clouds__channels(channels: Channels, count: int, background: float) -> None:
    made = render_clouds(sphere(300).expand(2, -1, -1), 3, 32, draws(2), channels=channels)
    assert made.shape == (2, 3, count, 32, 32)
    assert made.min() >= 0
    assert made.max() <= 1
    assert (made[..., 0, 0] == background).all()
    assert made[:, :, :, 12:20, 12:20].ne(background).any(dim=2).flatten(2).float().mean() > 0.8
    assert len(made.flatten(2).view(6, -1).unique(dim=0)) == 6  # no two views are the same


def test_render_clouds__size_and_place_of_the_cloud_do_not_matter() -> None:
    xyz = torch.randn(2, 100, 3, generator=torch.Generator().manual_seed(0))
    plain = render_clouds(xyz, 2, 16, draws(2))
    moved = render_clouds(xyz * 64 + 128, 2, 16, draws(2))
    assert (plain - moved).abs().gt(1e-3).float().mean() < 0.01  # a rounding may move a point to the next pixel
    assert not torch.equal(plain, render_clouds(xyz, 2, 16, draws(2, seed=1)))


def test_render_clouds__one_point() -> None:
    assert render_clouds(torch.ones(1, 1, 3), 2, 8, draws(1), channels="shaded").isfinite().all()


def test_shade__sign_of_the_normals_does_not_matter() -> None:
    xyz, cameras = sphere(500), ring(2)
    made = splat(xyz, cameras, 16)
    flipped = torch.where(torch.rand(1, 500, 1) < 0.5, -xyz, xyz)
    torch.testing.assert_close(shade(xyz, made, cameras, xyz), shade(xyz, made, cameras, flipped))
    close = (shade(xyz, made, cameras, xyz) - shade(xyz, made, cameras)).abs()
    assert close.max() < 0.1  # estimated normals of a sphere are nearly its radii


@pytest.mark.parametrize(("size", "radius", "message"), [(0, 1, "size must be"), (4, -1, "radius must be")])
def test_splat__refuses(size: int, radius: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        splat(sphere(5), ring(1), size, radius)
