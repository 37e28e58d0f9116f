"""Unions of primitives against distances worked out in float64: on one part, inside of none, evenly spread."""

from typing import Any

import numpy as np
import pytest
from jaxtyping import Float64

from pointssl.data.generated.poses import PARTS, Poses, draw_poses
from pointssl.data.generated.primitives import BOX, CYLINDER, ELLIPSOID, Primitives
from pointssl.data.generated.surface import Surface, surface
from pointssl.ops import counter_random


def draw(count: int, seed: int = 0) -> Primitives:
    """Return the first shapes of a seed."""
    key = counter_random.keys(seed, np.arange(count))
    return Primitives.draw(counter_random.uniform(key, Primitives.slots))


def points_on(solids: Primitives, points: int, seed: int = 1) -> Surface:
    """Return points with normals on every shape."""
    key = counter_random.keys(seed, np.arange(len(solids.kind)))
    return surface(solids, key, points, normals=True)


def one(kind: int, half: tuple[float, float, float], shapes: int = 1) -> Primitives:
    """Return shapes of one upright part."""
    poses = Poses(
        parts=np.ones(shapes, dtype=np.int64),
        half=np.tile(np.asarray(half, dtype=np.float32), (shapes, 1, 1)),
        turn=np.tile(np.eye(3, dtype=np.float32), (shapes, 1, 1, 1)),
        move=np.zeros((shapes, 1, 3), dtype=np.float32),
    )
    return Primitives(poses, np.full((shapes, 1), kind))


def gauge(kind: int, unit: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
    """Return by what factor a point of the unit primitive's frame lies outside its surface, each kind written out."""
    if kind == ELLIPSOID:
        return np.asarray(np.linalg.norm(unit, axis=1))
    if kind == CYLINDER:
        return np.asarray(np.maximum(np.hypot(unit[:, 0], unit[:, 1]), np.abs(unit[:, 2])))
    assert kind == BOX
    return np.asarray(np.abs(unit).max(axis=1))


def in_frame(poses: Poses, shape: int, k: int, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """Return points in a part's frame by solving for them, in float64."""
    matrix = poses.turn[shape, k].astype(np.float64) * poses.half[shape, k].astype(np.float64)
    unit: Float64[np.ndarray, "n 3"] = np.linalg.solve(matrix, (points - poses.move[shape, k]).T).T
    return unit


def test_surface__points_lie_on_their_part_and_inside_none() -> None:
    solids = draw(60)
    found = points_on(solids, 300)
    count = solids.poses.parts
    assert {1, 9} <= set(count.tolist())
    for shape in range(60):
        points = found.points[shape].astype(np.float64)
        assert found.part[shape].max() < count[shape]
        for k in range(count[shape]):
            outside = gauge(int(solids.kind[shape, k]), in_frame(solids.poses, shape, k, points))
            mine = found.part[shape] == k
            np.testing.assert_allclose(outside[mine], 1, atol=5e-5)
            assert outside[~mine].min(initial=2) > 1 - 1e-5


def test_surface__normals_are_those_of_the_distance() -> None:
    solids = draw(40, seed=3)
    found = points_on(solids, 200)
    assert found.normals is not None
    np.testing.assert_allclose(np.linalg.norm(found.normals, axis=2), 1, atol=1e-5)
    step = 1e-4
    for shape in range(40):
        for k in range(solids.poses.parts[shape]):
            mine = found.part[shape] == k
            points, kind = found.points[shape, mine].astype(np.float64), int(solids.kind[shape, k])
            # Central differences in float64; at edges, where two faces meet, there is no one normal.
            slope = np.stack(
                [
                    gauge(kind, in_frame(solids.poses, shape, k, points + step * axis))
                    - gauge(kind, in_frame(solids.poses, shape, k, points - step * axis))
                    for axis in np.eye(3)
                ],
                axis=1,
            )
            wanted = slope / np.linalg.norm(slope, axis=1, keepdims=True)
            agree = (wanted * found.normals[shape, mine]).sum(axis=1)
            assert (agree > 0.999).mean() > 0.97 if len(agree) > 30 else True
            assert agree.min(initial=1) > 0  # never inwards


@pytest.mark.parametrize(
    ("kind", "half", "share", "of"),
    [
        # By hand: ends of a cylinder of radius 1 and height 1 hold half of its area, 2 pi of 4 pi.
        (CYLINDER, (1.0, 1.0, 0.5), 0.5, lambda p: np.abs(np.abs(p[:, 2]) - 0.5) < 1e-6),
        # The large faces of a box of 2 x 2 x 0.5 hold 8 of 12.
        (BOX, (1.0, 1.0, 0.25), 8 / 12, lambda p: np.abs(np.abs(p[:, 2]) - 0.25) < 1e-6),
        # A ball's zones of equal height are equal (Archimedes).
        (ELLIPSOID, (1.0, 1.0, 1.0), 0.25, lambda p: p[:, 2] > 0.5),
        # Half of an oblate spheroid's area, by its closed form, lies where cos(latitude) integrates to half of it.
        (ELLIPSOID, (2.0, 2.0, 0.5), None, None),
        (ELLIPSOID, (0.5, 0.5, 2.0), None, None),
        (CYLINDER, (2.0, 0.5, 1.0), None, None),
    ],
)
def test_surface__is_even_over_one_primitive(
    kind: int, half: tuple[float, float, float], share: float | None, of: Any
) -> None:
    points = points_on(one(kind, half, shapes=20), 2000).points.reshape(-1, 3).astype(np.float64)
    if of is not None:
        # 40000 draws: a standard error of at most 0.0025, and the draws are evener than chance.
        assert of(points).mean() == pytest.approx(share, abs=0.01)
        return
    # Against the area of a fine triangulation, octant by octant is equal by symmetry, so slabs along x and z.
    area = triangulated(kind, half)
    for axis in (0, 2):
        edges = np.linspace(-half[axis] * 1.001, half[axis] * 1.001, 8)
        wanted, _ = np.histogram(area[:, axis], edges, weights=area[:, 3])
        got, _ = np.histogram(points[:, axis], edges)
        np.testing.assert_allclose(got / len(points), wanted / wanted.sum(), atol=0.012)


def triangulated(kind: int, half: tuple[float, float, float]) -> Float64[np.ndarray, "m 4"]:
    """Return centres and areas of small pieces of a primitive's surface, from its parametric form."""
    angle = (np.arange(720) + 0.5) * 2 * np.pi / 720
    height = (np.arange(720) + 0.5) / 360 - 1
    t, z = (grid.ravel() for grid in np.meshgrid(angle, height))
    radius = np.sqrt(1 - z * z) if kind == ELLIPSOID else np.ones_like(z)
    points = np.stack([radius * np.cos(t), radius * np.sin(t), z], axis=1) * half
    slope = -z / np.maximum(radius, 1e-9) if kind == ELLIPSOID else np.zeros_like(z)
    along = np.stack([-radius * np.sin(t), radius * np.cos(t), np.zeros_like(t)], axis=1) * half
    up = np.stack([slope * np.cos(t), slope * np.sin(t), np.ones_like(t)], axis=1) * half
    pieces = np.column_stack([points, np.linalg.norm(np.cross(along, up), axis=1) * (2 * np.pi / 720) * (2 / 720)])
    if kind == CYLINDER:
        ring = np.sqrt((np.arange(200) + 0.5) / 200)
        r, t = (grid.ravel() for grid in np.meshgrid(ring, angle))
        for side in (-1, 1):
            flat = np.stack([r * np.cos(t), r * np.sin(t), np.full_like(r, side)], axis=1) * half
            pieces = np.vstack([pieces, np.column_stack([flat, np.full(len(r), np.pi * half[0] * half[1] / len(r))])])
    return pieces


def test_surface__is_a_function_of_the_shape_alone() -> None:
    # Shapes with few points left are drawn again; whoever else is in the batch must not matter.
    solids, key = draw(80), counter_random.keys(5, np.arange(80))
    together = surface(solids, key, 100)
    for shape in (0, 7, 41, 79):
        alone = surface(solids.take(np.array([shape])), key[[shape]], 100)
        np.testing.assert_array_equal(alone.points[0], together.points[shape])
        np.testing.assert_array_equal(alone.part[0], together.part[shape])


def test_surface__first_points_come_from_everywhere() -> None:
    found = points_on(one(BOX, (1.0, 1.0, 1.0), shapes=1), 1024).points[0, :128]
    sides = [(np.abs(found[:, axis] - side) < 1e-6).mean() for axis in range(3) for side in (-1, 1)]
    assert min(sides) > 0.04  # a sixth each in the mean; the standard deviation of 128 draws is 0.033


def test_poses__numbers_of_parts_and_sizes_are_the_sources() -> None:
    key = counter_random.keys(0, np.arange(30_000))
    poses = draw_poses(counter_random.uniform(key, Primitives.slots)[:, : 1 + PARTS * 15])
    shares = np.bincount(poses.parts, minlength=10)[1:] / 30_000
    np.testing.assert_allclose(shares, np.array([5, 5, 5, 4, 4, 3, 2, 1, 1]) / 30, atol=0.01)
    assert 0.25 <= poses.half.min() < 0.2501
    assert 1.9999 < poses.half.max() <= 2
    identity = poses.turn @ poses.turn.swapaxes(2, 3)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-5)


def test_poses__assembly_is_turned_and_moved_before_each_part() -> None:
    # The same numbers, taken step by step as the source tells it.
    chance = counter_random.uniform(counter_random.keys(2, np.arange(20)), 1 + PARTS * 15)
    poses = draw_poses(chance)
    for shape in range(20):
        placed: list[tuple[np.ndarray, np.ndarray]] = []
        for k in range(poses.parts[shape]):
            each = chance[shape, 1 + 15 * k : 16 + 15 * k].astype(np.float64)
            largest = poses.half[shape, k].max()
            turn, move, around, along = angles(each[3:6]), each[6:9] * largest, angles(each[9:12]), each[12:] * largest
            placed = [(around @ t, around @ m + along) for t, m in placed] + [(turn, move)]
        for k, (turn, move) in enumerate(placed):
            np.testing.assert_allclose(poses.turn[shape, k], turn, atol=1e-5)
            np.testing.assert_allclose(poses.move[shape, k], move, atol=1e-4)


def angles(share: Float64[np.ndarray, "3"]) -> Float64[np.ndarray, "3 3"]:
    """Return the product of three turns, about x first."""
    matrix = np.eye(3)
    for axis, angle in enumerate(share * np.pi):
        step, (a, b) = np.eye(3), ((axis + 1) % 3, (axis + 2) % 3)
        step[a, a] = step[b, b] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        matrix = step @ matrix
    return matrix
