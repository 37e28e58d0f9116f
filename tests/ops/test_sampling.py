"""Sampling against values worked out by hand, by brute force and from stated invariances."""

import numpy as np
import pytest
import torch

from pointssl.ops import sampling

SQUARE = np.array([[0.0, 0, 0], [3, 0, 0], [3, 1, 0], [0, 1, 0], [0, 0, 5], [1, 0, 5], [0, 2, 5]])
"""A 3 x 1 rectangle in the plane z = 0 (area 3) and a right triangle in z = 5 (area 1)."""
FACES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]])


def test_triangle_normals__by_hand() -> None:
    normals, area = sampling.triangle_normals(SQUARE, FACES)
    np.testing.assert_allclose(area, [1.5, 1.5, 1.0])
    np.testing.assert_allclose(normals, [[0, 0, 1]] * 3)


def test_triangle_normals__no_area_gives_zero() -> None:
    normals, area = sampling.triangle_normals(np.zeros((3, 3)), np.array([[0, 1, 2]]))
    assert area.tolist() == [0.0]
    assert normals.tolist() == [[0.0, 0.0, 0.0]]


def test_surface__share_follows_area() -> None:
    sample = sampling.surface(SQUARE, FACES, 4000, np.random.default_rng(0))
    # Strata of one point each: 1.5/4, 1.5/4 and 1/4 of 4000, to within one point at the borders.
    assert np.abs(np.bincount(sample.face) - [1500, 1500, 1000]).max() <= 1
    flat = sample.points[sample.points[:, 2] == 0]
    # Uniform on [0, 3] x [0, 1]: mean (1.5, 0.5), variance (9/12, 1/12); 3000 points, five standard errors.
    np.testing.assert_allclose(flat[:, :2].mean(axis=0), [1.5, 0.5], atol=5 * 0.87 / 3000**0.5)
    np.testing.assert_allclose(flat[:, :2].var(axis=0), [9 / 12, 1 / 12], rtol=0.1)


def test_surface__points_are_the_weighted_corners() -> None:
    sample = sampling.surface(SQUARE, FACES, 50, np.random.default_rng(1))
    assert (sample.weight >= 0).all()
    np.testing.assert_allclose(sample.weight.sum(axis=1), 1.0)
    for point, face, weight in zip(sample.points, sample.face, sample.weight, strict=True):
        np.testing.assert_allclose(point, weight @ SQUARE[FACES[face]])


def test_surface__order_is_random() -> None:
    sample = sampling.surface(SQUARE, FACES, 400, np.random.default_rng(0))
    # The first quarter alone must represent the whole: 100 of the 400 points lie on the small triangle (5 sigma = 19).
    assert abs((sample.face[:100] == 2).sum() - 25) < 20


def test_surface__same_seed_same_points() -> None:
    draws = [sampling.surface(SQUARE, FACES, 20, np.random.default_rng(seed)).points for seed in (3, 3, 4)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize(("vertex", "reason"), [(0.0, "no area"), (np.nan, "not finite"), (np.inf, "not finite")])
def test_surface__refuses_what_has_no_surface(vertex: float, reason: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=reason):
        sampling.surface(np.full((3, 3), vertex), np.array([[0, 1, 2]]), 4, np.random.default_rng(0))


def test_subset__different_while_there_are_enough() -> None:
    chosen = sampling.subset(10, 10, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == list(range(10))


def test_subset__each_at_least_once_when_short() -> None:
    chosen = sampling.subset(3, 10, np.random.default_rng(0))
    assert len(chosen) == 10
    assert set(chosen.tolist()) == {0, 1, 2}


def test_subset__nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        sampling.subset(0, 4, np.random.default_rng(0))


def test_farthest_points__on_a_line_by_hand() -> None:
    x = torch.tensor([0.0, 1.0, 4.0, 10.0])
    xyz = torch.stack([x, torch.zeros(4), torch.zeros(4)], dim=-1)[None]
    # From 0 the farthest is 10; then 4 (4 away from 0) beats 1; then 1.
    assert sampling.farthest_points(xyz, 4).tolist() == [[0, 3, 2, 1]]
    # From 4: 10 is 6 away, 0 is 4 away.
    assert sampling.farthest_points(xyz, 3, start=torch.tensor([2])).tolist() == [[2, 3, 0]]


def test_farthest_points__brute_force() -> None:
    xyz = torch.rand(2, 30, 3, dtype=torch.float64)
    chosen = sampling.farthest_points(xyz, 12)
    for cloud, places in zip(xyz, chosen, strict=True):
        for step in range(1, 12):
            gap = torch.cdist(cloud, cloud[places[:step]]).amin(dim=1)
            assert places[step] == gap.argmax()


def test_farthest_points__more_than_there_are() -> None:
    with pytest.raises(ValueError, match=r"between 1 and the number of points \(3\), got 4"):
        sampling.farthest_points(torch.zeros(1, 3, 3), 4)
