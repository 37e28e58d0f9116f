"""Ray casting: depth of known solids, agreement with splats, and normals that no winding can turn away."""

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.data.views.meshes import Mesh, open_meshes, unit_ball
from pointssl.data.views.raycast import Caster, RaycastViews, mesh_picture, render_mesh
from pointssl.ops.render.cameras import Cameras, Projection, ring
from pointssl.ops.render.splat import picture, splat
from tests.data.solids import ball, cube, dense

BOTH: tuple[Projection, ...] = ("perspective", "orthographic")


def front(extent: float = 1.0, distance: float = 3.0, projection: Projection = "orthographic") -> Cameras:
    """One camera on the z axis that looks down it."""
    eye = torch.tensor([[[0.0, 0.0, distance]]])
    return Cameras(eye, torch.zeros(1, 1, 3), torch.tensor([[[0.0, 1.0, 0.0]]]), extent, projection)


@pytest.mark.parametrize("projection", BOTH)
def test_render_mesh__depth_of_a_sphere(projection: Projection) -> None:
    size, cameras = 41, front(1.3, 3.0, projection)
    seen = render_mesh(*ball(200), cameras, size)
    place = 1.3 * ((2 * torch.arange(size) + 1) / size - 1)
    off = place.square()[:, None] + place.square()
    if projection == "orthographic":
        expected = 3 - (1 - off).sqrt()
    else:
        # The ray (p, -1) t from z = 3 meets the unit sphere where |p|² t² + (3 - t)² = 1; here p is on the plane z = 0.
        slope = off / 9
        expected = (3 - (9 - 8 * (1 + slope)).sqrt()) / (1 + slope)
    hit = seen.face[0] >= 0
    sharp = expected.isfinite() & (off < 0.9)
    assert (hit[sharp]).all()
    assert not hit[expected.isnan() & (off > 1.2)].any()
    torch.testing.assert_close(seen.depth[0][sharp], expected[sharp], atol=2e-3, rtol=0)
    assert seen.depth[0][~hit].isinf().all()


def test_render_mesh__cube_by_hand() -> None:
    seen = render_mesh(*cube(0.5), front(), 8)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 2:6] = True  # half of the picture's side
    assert torch.equal(seen.face[0] >= 0, inside)
    torch.testing.assert_close(seen.depth[0][inside], torch.full((16,), 2.5))
    torch.testing.assert_close(seen.normal[0][inside], torch.tensor([0.0, 0, 1]).expand(16, 3))
    assert (seen.normal[0][~inside] == 0).all()
    assert set(seen.face[0][inside].tolist()) == {10, 11}  # the quad at z = +0.5
    assert (seen.shaded[0][~inside] == 1).all()


@pytest.mark.parametrize("projection", BOTH)
def test_render_mesh__mesh_that_reaches_behind_the_camera(projection: Projection) -> None:
    vertices, faces = cube(0.5)
    seen = render_mesh(np.concatenate([vertices, vertices + 9]), np.concatenate([faces, faces + 8]), front(), 8)
    assert (seen.face[0] >= 0).sum() >= 16  # the far cube's corners must not cut the picture of the near one


def test_render_mesh__equals_the_rays_of_the_whole_picture() -> None:
    """Windows only leave out rays that hit nothing: a frame of far specks makes the windows whole."""
    vertices, faces = ball(12, 0.4)
    cameras = ring(5, [0.0, 50.0])
    speck = np.array([[x, y, z] for x in (-9, 9) for y in (-9, 9) for z in (-9, 9)], np.float32)
    whole = Caster(cameras, 20)(np.concatenate([vertices, speck]), faces)
    made = Caster(cameras, 20)(vertices, faces)
    for ours, theirs in zip(made, whole, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("smooth", [False, True])
def test_render_mesh__winding_does_not_matter(smooth: bool) -> None:
    vertices, faces = ball(30)
    flip = np.random.default_rng(0).random(len(faces)) < 0.5
    mixed = np.where(flip[:, None], faces[:, ::-1], faces)
    cameras = ring(3)
    plain = render_mesh(vertices, faces, cameras, 32, smooth=smooth)
    all_flipped = render_mesh(vertices, faces[:, ::-1].copy(), cameras, 32, smooth=smooth)
    torch.testing.assert_close(plain.normal, all_flipped.normal, atol=1e-3, rtol=0)
    some_flipped = render_mesh(vertices, mixed, cameras, 32, smooth=smooth)
    assert (some_flipped.normal[..., 2] >= 0).all()
    if not smooth:
        torch.testing.assert_close(plain.normal, some_flipped.normal, atol=1e-3, rtol=0)
    # Smoothed or not, no normal leans more than 60 degrees from that of its triangle.
    hit = plain.face >= 0
    assert (some_flipped.normal[hit] * plain.normal[hit]).sum(dim=-1).min() > 0.4


def test_render_mesh__smooth_normals_of_a_coarse_sphere() -> None:
    vertices, faces = ball(16)
    cameras = front(1.3)
    radial = _points(render_mesh(*ball(200), cameras, 33), cameras, 33)
    flat, smooth = (render_mesh(vertices, faces, cameras, 33, smooth=smooth) for smooth in (False, True))
    inner = (radial.norm(dim=-1) - 1).abs() < 0.01
    inner &= (smooth.face[0] >= 0) & (radial[..., 2] > 0.5)
    error = [((one.normal[0] - radial)[inner]).norm(dim=-1).mean() for one in (flat, smooth)]
    assert error[1] < 0.3 * error[0]  # the true normal of a point of the unit sphere is the point


def test_render_mesh__smoothing_keeps_edges() -> None:
    flat, smooth = (render_mesh(*cube(), ring(4), 24, smooth=smooth) for smooth in (False, True))
    middle = slice(8, 16)
    # A cube's corner normals lean 54.7 degrees from its faces: smoothing would bend them all; but its edges turn by 90.
    assert torch.equal(flat.face, smooth.face)
    assert smooth.normal[:, middle, middle].isfinite().all()


def _points(seen: RaycastViews, cameras: Cameras, size: int) -> Float[Tensor, "h w 3"]:
    """Where an orthographic camera down the z axis saw each pixel."""
    place = cameras.extent * ((2 * torch.arange(size) + 1) / size - 1)
    return torch.stack([place.expand(size, size), -place[:, None].expand(size, size), 3 - seen.depth[0]], dim=-1)


def agreement(mesh: Mesh, cameras: Cameras, size: int, points: int) -> tuple[float, float]:
    """Return the overlap of the outlines (intersection over union) and the median difference in depth inside both.

    Dense points show the nearest surface anywhere in a pixel: so do the nearest of 8 by 8 rays through it.
    """
    rays = render_mesh(*mesh, cameras, 8 * size).depth
    cast = -torch.nn.functional.max_pool2d(-rays, 8)
    spread = splat(dense(mesh, points), cameras, size, 0).depth[0]
    both = cast.isfinite() & spread.isfinite()
    overlap = both.sum() / (cast.isfinite() | spread.isfinite()).sum()
    return overlap.item(), (cast - spread)[both].abs().median().item()


@pytest.mark.parametrize("projection", BOTH)
@pytest.mark.parametrize("solid", ["sphere", "cube"])
def test_renderers_agree__on_solids(solid: str, projection: Projection) -> None:
    mesh = ball(60) if solid == "sphere" else Mesh(unit_ball(cube().vertices), cube().faces)
    overlap, difference = agreement(mesh, ring(3, [10.0, 40.0], projection=projection), 32, 150_000)
    assert overlap > 0.95
    assert difference < 0.005


@pytest.mark.parametrize("projection", BOTH)
def test_renderers_agree__on_real_meshes(shared_data: Path, projection: Projection) -> None:
    meshes = open_meshes(shared_data / "psb-shrec12")
    assert meshes is not None
    for index in (700, 1500):
        vertices, faces = meshes.mesh(index)
        mesh = Mesh(unit_ball(vertices), faces)
        overlap, difference = agreement(mesh, ring(3, [10.0, 40.0], projection=projection), 32, 150_000)
        assert overlap > 0.95
        assert difference < 0.005


@pytest.mark.parametrize("size", [41, 97])
def test_render_mesh__no_holes_along_edges(size: int) -> None:
    cameras = front(1.0, 3.0)  # the middle column lies exactly under a meridian
    for rings in (16, 60, 96, 200):
        place = (2 * torch.arange(size) + 1) / size - 1
        inner = place.square()[:, None] + place.square() < 0.9
        assert (render_mesh(*ball(rings), cameras, size).face[0][inner] >= 0).all()


def test_mesh_picture__means_the_same_as_a_splat() -> None:
    mesh, cameras = ball(60), ring(2)
    points = dense(mesh, 100_000)
    spread = splat(points, cameras, 32, 0)
    cast = render_mesh(*mesh, cameras, 32)
    both = (cast.face >= 0) & (spread.point[0] >= 0)
    for channels, most in (("depth", 0.02), ("shaded", 0.06), ("normal", 0.06)):
        ours = mesh_picture(cast, cameras, channels)  # type: ignore[arg-type]
        theirs = picture(spread, cameras, points, channels)[0]  # type: ignore[arg-type]
        assert ours.shape == theirs.shape
        difference = (ours - theirs).abs().amax(dim=1)[both]
        assert difference.median() < most
        background = (ours - theirs).abs().amax(dim=1)[(cast.face < 0) & (spread.point[0] < 0)]
        assert background.max() == 0


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int64), "at least one triangle"),
        (np.full((3, 3), np.nan, np.float32), np.array([[0, 1, 2]]), "must be finite"),
    ],
)
def test_render_mesh__refuses(vertices: np.ndarray, faces: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_mesh(vertices, faces, ring(1), 4)


def test_caster__one_mesh_at_a_time() -> None:
    eye = torch.ones(2, 1, 3)
    with pytest.raises(ValueError, match="b = 1"):
        Caster(Cameras(eye, torch.zeros(2, 1, 3), eye), 4)
