"""Polygons as triangles: areas by the shoelace formula, whatever the shape and the plane."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pointssl.data.files.surfaces.polygons import fan, strip, triangulate
from pointssl.ops.random_points import triangle_normals


def star(radii: list[float], seed: int, away: float) -> np.ndarray:
    """Return a polygon around a centre, convex or not, somewhere in space."""
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii)
    flat = np.stack([np.cos(angle) * radii, np.sin(angle) * radii, np.zeros(len(radii))], axis=1)
    return np.asarray(flat @ Rotation.random(random_state=seed).as_matrix().T + away)


def shoelace(corners: np.ndarray) -> float:
    """Return the area of a flat polygon."""
    moved = corners - corners[0]
    return float(np.linalg.norm(np.cross(moved, np.roll(moved, -1, axis=0)).sum(axis=0)) / 2)


@given(
    st.lists(st.lists(st.floats(0.2, 1), min_size=3, max_size=9), min_size=1, max_size=4),
    st.integers(0, 99),
    st.sampled_from([0.0, 7.0, 5e5]),
)
def test_triangulate__covers_the_polygon_once(polygons: list[list[float]], seed: int, away: float) -> None:
    corners = [star(radii, seed + place, away) for place, radii in enumerate(polygons)]
    vertices, counts = np.concatenate(corners), np.array([len(one) for one in corners])
    faces, owner = triangulate(vertices, counts, np.arange(len(vertices)))
    assert np.bincount(owner).tolist() == (counts - 2).tolist()
    normals, areas = triangle_normals(vertices, faces)
    for place, one in enumerate(corners):
        own = owner == place
        # Triangles that overlap would add up to more than the area, and triangles outside would look the other way.
        np.testing.assert_allclose(areas[own].sum(), shoelace(one), rtol=1e-6)
        wide = areas[own] > 1e-6
        assert (normals[own][wide] @ normals[own][areas[own].argmax()] > 0).all()


def test_triangulate__fewer_than_three_corners_have_no_area() -> None:
    faces, owner = triangulate(np.zeros((4, 3)), np.array([2, 3, 1, 0]), np.array([0, 1, 1, 2, 3, 0]))
    assert (faces.tolist(), owner.tolist()) == ([[1, 2, 3]], [1])


def test_strip__every_second_triangle_is_turned() -> None:
    assert strip(np.arange(5)).tolist() == [[0, 1, 2], [2, 1, 3], [2, 3, 4]]
    assert strip(np.array([0, 1, 2, 3, -1, 4, 5, 6, 7])).tolist() == [[0, 1, 2], [2, 1, 3], [4, 5, 6], [6, 5, 7]]
    assert strip(np.array([0, 1, -1, 2])).tolist() == []


def test_fan__around_the_first() -> None:
    assert fan(np.array([7, 1, 2, 3])).tolist() == [[7, 1, 2], [7, 2, 3]]
    assert fan(np.array([7, 1])).tolist() == []
