"""Superquadrics against their formula in float64: points on one part and inside none, normals, even density."""

import numpy as np
import pytest
from jaxtyping import Float64

from pointssl.data.generated.poses import Poses
from pointssl.data.generated.superquadrics import ROUND, Solids, gauge
from pointssl.data.generated.surface import surface
from pointssl.ops import counter_random


def written(unit: Float64[np.ndarray, "n 3"], e: float, f: float) -> Float64[np.ndarray, " n"]:
    """Return by what factor points lie outside the unit superquadric, as Barr writes it."""
    x, y, z = np.abs(unit).T
    level = (x ** (2 / f) + y ** (2 / f)) ** (f / e) + z ** (2 / e)
    result: Float64[np.ndarray, " n"] = level ** (e / 2)
    return result


def in_frame(poses: Poses, shape: int, k: int, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """Return points in a part's frame, in float64."""
    matrix = poses.turn[shape, k].astype(np.float64) * poses.half[shape, k].astype(np.float64)
    unit: Float64[np.ndarray, "n 3"] = np.linalg.solve(matrix, (points - poses.move[shape, k]).T).T
    return unit


def one(e: float, f: float, half: tuple[float, float, float], shapes: int) -> Solids:
    """Return shapes of one upright part."""
    poses = Poses(
        parts=np.ones(shapes, dtype=np.int64),
        half=np.tile(np.asarray(half, dtype=np.float32), (shapes, 1, 1)),
        turn=np.tile(np.eye(3, dtype=np.float32), (shapes, 1, 1, 1)),
        move=np.zeros((shapes, 1, 3), dtype=np.float32),
    )
    return Solids(poses, np.tile(np.asarray((e, f), dtype=np.float32), (shapes, 1, 1)))


def test_surface__points_lie_on_their_part_and_inside_none() -> None:
    key = counter_random.keys(0, np.arange(40))
    solids = Solids.draw(counter_random.uniform(key, Solids.slots))
    found = surface(solids, key, 200, normals=True)
    assert found.normals is not None
    assert (found.points != 0).all()
    for shape in range(40):
        points = found.points[shape].astype(np.float64)
        for k in range(solids.poses.parts[shape]):
            e, f = solids.exponents[shape, k].astype(np.float64)
            outside, mine = written(in_frame(solids.poses, shape, k, points), e, f), found.part[shape] == k
            np.testing.assert_allclose(outside[mine], 1, atol=1e-4)
            assert outside[~mine].min(initial=2) > 1 - 1e-4
            step = 1e-5 * np.eye(3)
            slope = np.stack(
                [
                    written(in_frame(solids.poses, shape, k, points[mine] + axis), e, f)
                    - written(in_frame(solids.poses, shape, k, points[mine] - axis), e, f)
                    for axis in step
                ],
                axis=1,
            )
            wanted = slope / np.linalg.norm(slope, axis=1, keepdims=True)
            agree = (wanted * found.normals[shape, mine]).sum(axis=1)
            # Where an exponent is near 0.2 or 1.8 edges are as sharp as a box's, and have no one normal.
            assert (agree > 0.99).mean() > 0.95 if len(agree) > 30 else True


@pytest.mark.parametrize("exponents", [(1.0, 1.0), (0.2, 0.2), (1.8, 1.8), (0.3, 1.0), (1.5, 0.4)])
@pytest.mark.parametrize("half", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.25)])
def test_surface__is_even_over_one_part(exponents: tuple[float, float], half: tuple[float, float, float]) -> None:
    found = surface(one(*exponents, half, 20), counter_random.keys(1, np.arange(20)), 2000).points.reshape(-1, 3)
    # Barr's own parametric form, cut finely, of which every triangle's area is known.
    height, angle = np.meshgrid(warped(400) * np.pi / 2, warped(800) * np.pi, indexing="ij")
    e, f = exponents
    grid = np.stack(
        [
            half[0] * power(np.cos(height), e) * power(np.cos(angle), f),
            half[1] * power(np.cos(height), e) * power(np.sin(angle), f),
            half[2] * power(np.sin(height), e),
        ],
        axis=-1,
    )
    a, b, c = grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:]
    d = grid[1:, 1:]
    area = (np.linalg.norm(np.cross(b - a, c - a), axis=-1) + np.linalg.norm(np.cross(b - d, c - d), axis=-1)) / 2
    middle = ((a + b + c + d) / 4).reshape(-1, 3)
    for axis in range(3):
        edges = np.linspace(-half[axis] * 1.001, half[axis] * 1.001, 9)
        wanted, _ = np.histogram(middle[:, axis], edges, weights=area.ravel())
        got, _ = np.histogram(found[:, axis], edges)
        np.testing.assert_allclose(got / len(found), wanted / wanted.sum(), atol=0.015)


def warped(steps: int) -> Float64[np.ndarray, " s"]:
    """Return -1 to 1 in steps that crowd at quarters, where the parametric form moves fastest."""
    x = np.linspace(-1, 1, steps + 1)
    crowded: Float64[np.ndarray, " s"] = x - 0.95 * np.sin(4 * np.pi * x) / (4 * np.pi)
    return crowded


def power(base: Float64[np.ndarray, "*m"], exponent: float) -> Float64[np.ndarray, "*m"]:
    """Return Barr's signed power."""
    result: Float64[np.ndarray, "*m"] = np.sign(base) * np.abs(base) ** exponent
    return result


def test_gauge__derivatives_by_differences() -> None:
    chance = np.random.default_rng(0)
    points = chance.uniform(0.05, 1, (3, 200))
    e, f = chance.uniform(*ROUND, (2, 200))
    x, y, z = points.astype(np.float32)
    size, slope = gauge(x, y, z, e.astype(np.float32), f.astype(np.float32))
    wanted = np.array([written(points.T[[i]], e[i], f[i])[0] for i in range(200)])
    np.testing.assert_allclose(size, wanted, rtol=2e-5)
    for axis in range(3):
        step = np.zeros((3, 1))
        step[axis] = 1e-6
        higher, lower = (
            np.array([written((points + sign * step).T[[i]], e[i], f[i])[0] for i in range(200)]) for sign in (1, -1)
        )
        np.testing.assert_allclose(slope[axis], (higher - lower) / 2e-6, atol=2e-4)


def test_level__agrees_with_the_formula_everywhere() -> None:
    solids = one(0.7, 1.4, (1.0, 1.0, 1.0), 1)
    points = np.random.default_rng(0).uniform(-1.3, 1.3, (1, 3, 5000)).astype(np.float32)
    inside = solids.level(0, points)[0] < 1
    np.testing.assert_array_equal(inside, written(points[0].T.astype(np.float64), 0.7, 1.4) < 1)
    assert 0.05 < inside.mean() < 0.6
