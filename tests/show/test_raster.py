"""The small renderer against shapes whose picture is known: a disc, what hides what, light, and no holes."""

import numpy as np
import pytest

from pointssl.show.page.raster import LIGHT, raster, vertex_normals
from pointssl.show.run import mixture
from pointssl.show.scene import Mesh

_FRONT = np.eye(3)  # right is x, up is y, the eye looks down z
_LOW, _HIGH = np.array([-2.0, -2.0]), np.array([2.0, 2.0])


def _ball(centre: list[float], radius: float = 1.0, rings: int = 30) -> Mesh:
    sphere = mixture.unit_sphere(rings)
    return Mesh(vertices=radius * sphere.vertices + np.array(centre), faces=sphere.faces)


@pytest.mark.parametrize("rings", [6, 40])  # large triangles and small ones
def test_raster__ball_is_a_disc_without_holes(rings: int) -> None:
    image = raster([_ball([0, 0, 0], rings=rings)], np.ones((1, 3)), _FRONT, _LOW, _HIGH, 64)
    place = (np.arange(64) + 0.5) / 16 - 2
    away = np.hypot(*np.meshgrid(place, place))
    assert (image[away < np.cos(np.pi / rings / 2) ** 2 - 0.1, 3] == 1).all()
    assert (image[away > 1.06, 3] == 0).all()


def test_raster__nearer_mesh_hides_the_farther_one_in_either_order() -> None:
    near, far = _ball([0, 0, 1.0], 0.5), _ball([0, 0, -1.0])
    red, blue = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    one = raster([near, far], np.stack([red, blue]), _FRONT, _LOW, _HIGH, 32)
    np.testing.assert_allclose(one, raster([far, near], np.stack([blue, red]), _FRONT, _LOW, _HIGH, 32))
    assert one[16, 16, 0] > 0.5
    assert one[16, 16, 2] == 0


def test_raster__side_towards_the_lamp_is_brighter() -> None:
    image = raster([_ball([0, 0, 0])], np.full((1, 3), 0.8), _FRONT, _LOW, _HIGH, 64)
    x, y = (32 + 16 * 0.7 * LIGHT[:2] / np.linalg.norm(LIGHT[:2])).astype(int)
    assert image[y, x, 0] > image[63 - y, 63 - x, 0] + 0.1


def test_raster__outside_of_the_frame() -> None:
    assert raster([_ball([9, 0, 0])], np.ones((1, 3)), _FRONT, _LOW, _HIGH, 16).max() == 0


def test_raster__nothing_to_paint() -> None:
    assert raster([], np.zeros((0, 3)), _FRONT, _LOW, _HIGH, 8).shape == (8, 8, 4)


def test_vertex_normals__of_a_sphere_are_its_radii() -> None:
    sphere = mixture.unit_sphere(40)
    np.testing.assert_allclose(vertex_normals(sphere), sphere.vertices, atol=0.02)
