"""Random points against shares of area worked out by hand, and stated invariances."""

import numpy as np
import pytest

from pointssl.ops import random_points

SQUARE = np.array([[0.0, 0, 0], [3, 0, 0], [3, 1, 0], [0, 1, 0], [0, 0, 5], [1, 0, 5], [0, 2, 5]])
"""A 3 x 1 rectangle in the plane z = 0 (area 3) and a right triangle in z = 5 (area 1)."""
FACES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]])


def test_triangle_normals__by_hand() -> None:
    normals, area = random_points.triangle_normals(SQUARE, FACES)
    np.testing.assert_allclose(area, [1.5, 1.5, 1.0])
    np.testing.assert_allclose(normals, [[0, 0, 1]] * 3)


def test_triangle_normals__no_area_gives_zero() -> None:
    normals, area = random_points.triangle_normals(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    assert area.tolist() == [0.0]
    assert normals.tolist() == [[0.0, 0.0, 0.0]]


def test_surface__share_follows_area() -> None:
    sample = random_points.surface(SQUARE, FACES, 4000, np.random.default_rng(0))
    # Strata of one point each: 1.5/4, 1.5/4 and 1/4 of 4000, to within one point at the borders.
    assert np.abs(np.bincount(sample.face) - [1500, 1500, 1000]).max() <= 1
    flat = sample.points[sample.points[:, 2] == 0]
    # Uniform on [0, 3] x [0, 1]: mean (1.5, 0.5), variance (9/12, 1/12); 3000 points, five standard errors.
    np.testing.assert_allclose(flat[:, :2].mean(axis=0), [1.5, 0.5], atol=5 * 0.87 / 3000**0.5)
    np.testing.assert_allclose(flat[:, :2].var(axis=0), [9 / 12, 1 / 12], rtol=0.1)


def test_surface__points_are_the_weighted_corners() -> None:
    sample = random_points.surface(SQUARE, FACES, 50, np.random.default_rng(1))
    assert (sample.weight >= 0).all()
    np.testing.assert_allclose(sample.weight.sum(axis=1), 1.0)
    for point, face, weight in zip(sample.points, sample.face, sample.weight, strict=True):
        np.testing.assert_allclose(point, weight @ SQUARE[FACES[face]])


def test_surface__order_is_random() -> None:
    sample = random_points.surface(SQUARE, FACES, 400, np.random.default_rng(0))
    # The first quarter alone must represent the whole: 100 of the 400 points lie on the small triangle (5 sigma = 19).
    assert abs((sample.face[:100] == 2).sum() - 25) < 20


def test_surface__same_seed_same_points() -> None:
    draws = [random_points.surface(SQUARE, FACES, 20, np.random.default_rng(seed)).points for seed in (3, 3, 4)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize(("vertex", "reason"), [(0.0, "no area"), (np.nan, "not finite"), (np.inf, "not finite")])
def test_surface__refuses_what_has_no_surface(vertex: float, reason: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=reason):
        random_points.surface(np.full((3, 3), vertex), np.array([[0, 1, 2]]), 4, np.random.default_rng(0))


def test_subset__different_while_there_are_enough() -> None:
    chosen = random_points.subset(10, 10, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == list(range(10))


def test_subset__each_at_least_once_when_short() -> None:
    chosen = random_points.subset(3, 10, np.random.default_rng(0))
    assert len(chosen) == 10
    assert set(chosen.tolist()) == {0, 1, 2}


def test_subset__nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        random_points.subset(0, 4, np.random.default_rng(0))
