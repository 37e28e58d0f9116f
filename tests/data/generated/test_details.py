"""Cuts, frames and heights of unions against what they mean, worked out in float64."""

import numpy as np
import pytest
from jaxtyping import Float64

from pointssl.data.generated.details import HEIGHT, WAVES, Field, draw_field
from pointssl.data.generated.poses import Poses
from pointssl.data.generated.primitives import BOX, CYLINDER, ELLIPSOID, FRAME, Primitives
from pointssl.data.generated.surface import surface
from pointssl.data.generated.unions import Unions
from pointssl.data.open import open_dataset
from pointssl.errors import SettingError
from pointssl.ops import counter_random

BAR = 0.1


def in_frame(solids: Primitives, shape: int, k: int, points: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """Return points in a part's frame by solving for them."""
    poses = solids.poses
    matrix = poses.turn[shape, k].astype(np.float64) * poses.half[shape, k].astype(np.float64)
    unit: Float64[np.ndarray, "n 3"] = np.linalg.solve(matrix, (points - poses.move[shape, k]).T).T
    return unit


def gauge(kind: int, unit: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, " n"]:
    """Return by what factor a point lies outside of a primitive, each kind written out."""
    if kind == ELLIPSOID:
        return np.asarray(np.linalg.norm(unit, axis=1))
    if kind == CYLINDER:
        return np.asarray(np.maximum(np.hypot(unit[:, 0], unit[:, 1]), np.abs(unit[:, 2])))
    assert kind == BOX
    return np.asarray(np.abs(unit).max(axis=1))


def test_cuts__a_hollow_is_seen_inside_of_parts_and_nothing_else_is_left_in_it() -> None:
    key = counter_random.keys(0, np.arange(60))
    solids = Unions(cuts=1.0)._solids(key)
    assert solids.cut is not None
    assert (solids.cut.place == solids.poses.parts - 1).all()
    found = surface(solids, counter_random.stream(key, 5), 400, normals=True)
    assert found.normals is not None
    seen = 0
    for shape in range(60):
        points, cut = found.points[shape].astype(np.float64), int(solids.cut.place[shape])
        outside = np.stack(
            [gauge(int(solids.kind[shape, k]), in_frame(solids, shape, k, points)) for k in range(cut + 1)]
        )
        on = found.part[shape] == cut
        seen += int(on.sum())
        np.testing.assert_allclose(outside[cut, on], 1, atol=5e-5)
        assert outside[:cut, on].min(axis=0).max(initial=0) < 1 + 1e-5  # within some part
        assert outside[cut, ~on].min(initial=2) > 1 - 1e-5
        for k in range(cut):
            assert outside[k, (found.part[shape] != k) & ~on].min(initial=2) > 1 - 1e-5
        # The wall of a hollow looks into it: a step along the normal comes nearer to the middle of what was cut away.
        step = points[on] + 1e-3 * found.normals[shape][on]
        assert (
            gauge(int(solids.kind[shape, cut]), in_frame(solids, shape, cut, step)) <= outside[cut, on] + 1e-5
        ).all()
    assert seen > 500


def one(kind: int, half: tuple[float, float, float], **details: object) -> Primitives:
    """Return one upright part."""
    poses = Poses(
        parts=np.ones(1, dtype=np.int64),
        half=np.asarray(half, dtype=np.float32)[None, None],
        turn=np.eye(3, dtype=np.float32)[None, None],
        move=np.zeros((1, 1, 3), dtype=np.float32),
    )
    return Primitives(poses, np.full((1, 1), kind), **details)  # type: ignore[arg-type]


def test_frame__points_lie_on_the_sides_of_its_bars_by_their_area() -> None:
    half = np.array([2.0, 1.0, 0.5])
    solids = one(FRAME, (2.0, 1.0, 0.5), bar=np.full(1, BAR, dtype=np.float32))
    found = surface(solids, counter_random.keys(0, np.arange(1)), 40_000, normals=True)
    assert found.normals is not None
    unit = np.abs(found.points[0].astype(np.float64) / half)
    assert unit.max() < 1 + 1e-5
    near = unit > 1 - BAR - 1e-5
    assert (near.sum(axis=1) >= 2).all()  # along an edge of the cube
    onto = (np.abs(unit - 1) < 1e-5) | (np.abs(unit - (1 - BAR)) < 1e-5)
    assert onto.any(axis=1).all()
    # Away from the corners, where bars meet, each axis has its share: length times the way around its bar.
    straight = near.sum(axis=1) == 2
    along = np.bincount(np.argmin(near, axis=1)[straight], minlength=3) / straight.sum()
    area = np.array([half[i] * (half[(i + 1) % 3] + half[(i + 2) % 3]) for i in range(3)])
    np.testing.assert_allclose(along, area / area.sum(), atol=0.01)
    # A step along the normal leaves the bar that a point is on.
    outer = np.abs(found.points[0] + 2e-3 * found.normals[0]) / half
    solid = (outer < 1 - 1e-6).all(axis=1) & ((outer > 1 - BAR + 1e-6).sum(axis=1) >= 2)
    assert solid[straight].mean() < 0.001


def test_heights__points_move_along_normals_and_normals_follow_the_slope() -> None:
    chance = counter_random.uniform(counter_random.keys(3, np.arange(1)), 1 + 4 * WAVES)
    half = np.array([[[1.5, 1.0, 0.8]]], dtype=np.float32)
    field = draw_field(chance, np.ones(1, dtype=bool), half)
    plain, raised = (
        surface(one(BOX, (1.5, 1.0, 0.8), field=f), counter_random.keys(0, np.arange(1)), 3000, normals=True)
        for f in (None, field)
    )
    assert plain.normals is not None
    assert raised.normals is not None
    move = (raised.points - plain.points)[0].astype(np.float64)
    along = (move * plain.normals[0]).sum(axis=1)
    np.testing.assert_allclose(move, along[:, None] * plain.normals[0], atol=1e-5)
    assert 0.02 < np.abs(along).max() <= HEIGHT * 0.8
    # On the top, the surface is the graph of a function of x and y; its slope by differences.
    top = plain.normals[0, :, 2] > 0.9

    def height(x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        unit = np.stack([x / 1.5, y / 1.0, np.ones_like(x)])
        angle = np.einsum("wi,in->nw", field.wave[0].astype(np.float64), unit) + field.phase[0]
        return np.asarray(field.height[0, 0] / WAVES * np.cos(angle).sum(axis=1))

    x, y, step = *plain.points[0, top, :2].T.astype(np.float64), 1e-4
    slope = np.stack([height(x + step, y) - height(x - step, y), height(x, y + step) - height(x, y - step)]) / (
        2 * step
    )
    normal = np.stack([-slope[0], -slope[1], np.ones_like(x)])
    np.testing.assert_allclose(raised.normals[0, top].T, normal / np.linalg.norm(normal, axis=0), atol=2e-3)
    np.testing.assert_allclose(raised.points[0, top, 2], 0.8 + height(x, y), atol=1e-5)


def test_details__are_off_unless_asked_for_and_leave_the_plain_set_as_it_was() -> None:
    plain = open_dataset("generated:unions")
    assert repr(Unions()) == "Unions()"
    for name in ("cuts", "frames", "heights"):
        none, some = open_dataset(f"generated:unions:{name}=0"), open_dataset(f"generated:unions:{name}=0.5")
        assert none.fingerprint == plain.fingerprint != some.fingerprint
        index = np.arange(40)
        before, after = (data.sample(index, 64) for data in (plain, some))  # type: ignore[attr-defined]
        same = (before == after).all(axis=(1, 2))
        assert 8 <= same.sum() <= 32  # the shapes that have none are the shapes of the plain set


def test_mesh__is_given_only_where_triangles_show_all_of_the_shape() -> None:
    for spec in ("cuts=1", "heights=1"):
        assert open_dataset(f"generated:unions:{spec}").mesh(0) is None  # type: ignore[attr-defined]
    data = open_dataset("generated:unions:frames=1")
    whole = data.mesh(9)  # type: ignore[attr-defined]
    cloud = data[9].points.astype(np.float64)
    assert whole is not None
    a, b, c = (whole.vertices[whole.faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    off = np.abs(np.einsum("fi,nfi->nf", normal, cloud[:200, None] - a[None])).min(axis=1)
    assert np.quantile(off, 0.9) < 0.02  # every point lies in the plane of some triangle; balls are faceted


@pytest.mark.parametrize("word", ["cuts=1.5", "frames=-0.1", "heights=nan"])
def test_shares__outside_of_0_to_1_are_refused(word: str) -> None:
    with pytest.raises(SettingError, match="must be a share between 0 and 1"):
        open_dataset(f"generated:unions:{word}")


def test_field__height_and_slope_agree() -> None:
    field = Field(
        height=np.full((1, 2), 0.3, dtype=np.float32),
        wave=np.array([[[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]], dtype=np.float32),
        phase=np.array([[0.1, 0.7]], dtype=np.float32),
    )
    unit = np.random.default_rng(0).uniform(-1, 1, (3, 50)).astype(np.float32)
    shape, k = np.zeros(50, dtype=np.int64), np.ones(50, dtype=np.int64)
    _, slope = field.at(shape, k, unit)
    for axis in range(3):
        step = np.zeros((3, 1), dtype=np.float32)
        step[axis] = 1e-2
        by_differences = (field.at(shape, k, unit + step)[0] - field.at(shape, k, unit - step)[0]) / 2e-2
        np.testing.assert_allclose(slope[axis], by_differences, atol=1e-3)
