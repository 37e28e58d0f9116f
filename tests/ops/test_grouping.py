"""Balls, groups and interpolation against brute force and values worked out by hand, compiled and plain."""

import math

import pytest
import torch
from torch import Tensor

from pointssl.ops import sampling
from pointssl.ops.kernels import grouping, native


@pytest.fixture(params=["compiled", "plain"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(native, "available", lambda: False)
    elif not native.available():
        pytest.skip(native.reason())


def whole(b: int, n: int) -> Tensor:
    """Clouds of whole numbers: distances are exact, ties and equal points are real."""
    return torch.randint(-6, 7, (b, n, 3)).float()


@pytest.mark.usefixtures("_form")
@pytest.mark.parametrize(("n", "count"), [(1, 1), (17, 9), (500, 60), (6000, 70)])
def test_farthest_points__brute_force_with_ties(n: int, count: int) -> None:
    for xyz in (whole(2, n), torch.randn(2, n, 3)):
        start = torch.tensor([n - 1, n // 2])
        chosen = sampling.farthest_points(xyz, count, start)
        for cloud, places, first in zip(xyz, chosen.tolist(), start.tolist(), strict=True):
            nearest, at = torch.full((n,), math.inf), first
            for place in places:
                assert place == at
                gap = cloud - cloud[place]
                nearest = torch.minimum(nearest, gap[:, 0] ** 2 + gap[:, 1] ** 2 + gap[:, 2] ** 2)
                at = int(torch.nonzero(nearest == nearest.max())[0])


@pytest.mark.usefixtures("_form")
def test_farthest_points__flat_clouds_and_equal_points() -> None:
    assert sampling.farthest_points(torch.ones(1, 5000, 3), 3).tolist() == [[0, 0, 0]]
    line = torch.zeros(1, 4097, 3)
    line[0, :, 1] = torch.arange(4097.0)
    # From 0 to the end, then the middle, then the middle of either half, the lower place first.
    assert sampling.farthest_points(line, 5).tolist() == [[0, 4096, 2048, 1024, 3072]]


def test_outermost__by_hand() -> None:
    xyz = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [5, 0, 0], [0, 1, 0]]])  # the mean is (1.5, 0.25, 0)
    assert sampling.outermost(xyz).tolist() == [2]


@pytest.mark.usefixtures("_form")
@pytest.mark.parametrize(("n", "m", "k", "radius"), [(9, 4, 9, 3.0), (300, 20, 16, 2.5), (1100, 7, 90, math.inf)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ball__brute_force(n: int, m: int, k: int, radius: float, dtype: torch.dtype) -> None:
    xyz, centre = whole(2, n).to(dtype), whole(2, m).to(dtype)
    centre[0, 0] = 100.0  # nothing is near
    away = torch.cdist(centre.double(), xyz.double(), compute_mode="donot_use_mm_for_euclid_dist")
    found = grouping.ball(xyz, centre, k, radius)
    for c in range(2):
        for i in range(m):
            order = sorted(range(n), key=lambda j: (round(float(away[c, i, j]) ** 2), j))[:k]
            assert found[c, i].tolist() == [j if away[c, i, j] <= radius else order[0] for j in order]


def test_ball__both_forms_agree_on_any_coordinates() -> None:
    if not native.available():
        pytest.skip(native.reason())
    xyz = torch.randn(2, 700, 3)
    for radius in (0.3, math.inf):
        plain = grouping.ball_plain(xyz, xyz[:, :50], 24, radius)
        assert torch.equal(grouping.ball(xyz, xyz[:, :50], 24, radius), plain)


def test_ball__small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    xyz = torch.randn(2, 30, 3)
    at_once = grouping.ball_plain(xyz, xyz, 4, 1.0)
    monkeypatch.setattr(grouping, "ROOM", 130)
    assert torch.equal(grouping.ball_plain(xyz, xyz, 4, 1.0), at_once)


@pytest.mark.parametrize("k", [0, 11])
def test_ball__too_few_points(k: int) -> None:
    with pytest.raises(ValueError, match=rf"k must be between 1 and the points per cloud \(10\), got {k}"):
        grouping.ball(torch.zeros(1, 10, 3), torch.zeros(1, 2, 3), k)


@pytest.mark.usefixtures("_form")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_group__rows_and_their_gradients(dtype: torch.dtype) -> None:
    x = torch.randn(2, 5, 3, dtype=dtype, requires_grad=True)
    index = torch.tensor([[[0, 0], [4, 1]], [[2, 3], [2, 2]]])
    rows = grouping.group(x, index)
    weight = torch.randn_like(rows)
    (rows * weight).sum().backward()
    back = torch.zeros_like(x)
    for c in range(2):
        for i in range(2):
            for s in range(2):
                assert torch.equal(rows[c, i, s], x[c, index[c, i, s]])
                back[c, index[c, i, s]] += weight[c, i, s]
    torch.testing.assert_close(x.grad, back)


@pytest.mark.usefixtures("_form")
def test_interpolate__by_hand() -> None:
    centre = torch.tensor([[[0.0, 0, 0], [3, 0, 0], [0, 9, 0]]])
    feature = torch.tensor([[[1.0], [4.0], [100.0]]])
    # At (1, 0, 0) squared distances are 1, 4 and 82: (1 + 4/4 + 100/82) / (1 + 1/4 + 1/82). At a centre: its own.
    found = grouping.interpolate(feature, centre, torch.tensor([[[1.0, 0, 0], [3, 0, 0]]]))
    assert found.flatten().tolist() == pytest.approx([(2 + 100 / 82) / (1.25 + 1 / 82), 4.0], rel=1e-5)
    # Two centres only: both are taken.
    two = grouping.interpolate(feature[:, :2], centre[:, :2], torch.tensor([[[1.0, 0, 0]]]))
    assert two.item() == pytest.approx(1.6)


def test_operators__are_well_formed() -> None:
    xyz = torch.randn(2, 20, 3)
    torch.library.opcheck(torch.ops.pointssl.ball.default, (xyz, xyz[:, :3], 4, 0.5))
    torch.library.opcheck(torch.ops.pointssl.farthest_points.default, (xyz, 4, torch.tensor([1, 0])))
