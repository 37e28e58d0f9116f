"""Regions, masked clouds and scores, against values by hand and slow loops."""

import math
from typing import get_args

import pytest
import torch

from pointssl.ops.games import coalitions
from pointssl.ops.games.coalitions import Masking


def _clouds(b: int = 2, n: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randn(b, n, 3, generator=torch.Generator().manual_seed(seed))


def _line(*x: float) -> torch.Tensor:
    """One cloud of points on the x axis."""
    return torch.tensor([[[value, 0.0, 0.0] for value in x]])


def test_regions__by_hand_on_a_line() -> None:
    # Centres: point 0 at 0, then the farthest (10), then the one farthest from both (4); 6 is 2 from 4 and 4 from 10.
    assert coalitions.regions(_line(0.0, 1.0, 4.0, 6.0, 9.0, 10.0), 3).tolist() == [[0, 0, 2, 2, 1, 1]]


def test_regions__every_point_is_with_its_nearest_centre_and_none_is_empty() -> None:
    xyz = _clouds(3, 60)
    region = coalitions.regions(xyz, 7)
    from pointssl.ops.sampling import farthest_points

    for cloud in range(3):
        centre = xyz[cloud, farthest_points(xyz, 7)[cloud]]
        nearest = [min(range(7), key=lambda k: float((p - centre[k]).norm())) for p in xyz[cloud]]
        assert region[cloud].tolist() == nearest
        assert len(set(nearest)) == 7


@pytest.mark.parametrize("places", [1, 2, 3])
def test_regions__fewer_places_than_regions_still_gives_everyone_a_point(places: int) -> None:
    xyz = _clouds(1, places).repeat(1, 6, 1)
    region = coalitions.regions(xyz, 5)
    assert sorted(set(region[0].tolist())) == [0, 1, 2, 3, 4]


def test_regions__more_than_points_is_refused() -> None:
    with pytest.raises(ValueError, match=r"r must be between 1 and the number of points \(4\), got 5"):
        coalitions.regions(_clouds(1, 4), 5)


def test_regions__moving_and_scaling_changes_nothing() -> None:
    xyz = _clouds().double()
    assert torch.equal(coalitions.regions(xyz, 6), coalitions.regions(xyz * 3 + 7, 6))


def test_all_coalitions__bit_i_is_region_i() -> None:
    table = coalitions.all_coalitions(4)
    assert table.shape == (16, 4)
    for number, row in enumerate(table.tolist()):
        assert [i for i in range(4) if row[i]] == [i for i in range(4) if number >> i & 1]


def test_mask__mean_by_hand() -> None:
    xyz, region = _line(0.0, 2.0, 7.0), torch.tensor([[0, 1, 1]])
    kept = torch.tensor([[[True, False], [False, False], [True, True]]])
    x = coalitions.mask(xyz, region, kept)[0, :, :, 0]
    assert x.tolist() == [[0.0, 3.0, 3.0], [3.0, 3.0, 3.0], [0.0, 2.0, 7.0]]  # the mean is 3


def test_mask__nearest_by_hand() -> None:
    xyz, region = _line(0.0, 1.0, 4.0, 6.0), torch.tensor([[0, 0, 1, 2]])
    kept = torch.tensor([[[True, False, True], [False, False, False]]])
    x = coalitions.mask(xyz, region, kept, "nearest")[0, :, :, 0]
    assert x.tolist() == [[0.0, 1.0, 6.0, 6.0], [2.75] * 4]  # 4 is nearer to 6 than to 1; nothing kept: the mean


def test_mask__nearest_agrees_with_brute_force() -> None:
    xyz = _clouds(2, 30)
    region, kept = coalitions.regions(xyz, 4), coalitions.all_coalitions(4).expand(2, -1, -1)
    masked = coalitions.mask(xyz, region, kept, "nearest")
    for cloud in range(2):
        for c in range(1, 16):
            here = xyz[cloud, kept[cloud, c][region[cloud]]]
            expected = here[torch.cdist(xyz[cloud], here).argmin(dim=1)]
            assert torch.equal(masked[cloud, c], expected)


def test_mask__resample_by_hand() -> None:
    xyz, region = _line(0.0, 1.0, 4.0, 6.0, 9.0), torch.tensor([[0, 1, 0, 1, 1]])
    kept = torch.tensor([[[True, False], [False, False]]])
    x = coalitions.mask(xyz, region, kept, "resample")[0, :, :, 0]
    assert x.tolist() == [[0.0, 0.0, 4.0, 4.0, 0.0], [4.0] * 5]  # absent points take 0, 4, 0 in turn


def test_mask__resample_at_random_keeps_kept_points_and_draws_from_them_alike() -> None:
    xyz = _clouds(1, 1000)
    region = (torch.arange(1000) % 2)[None]
    kept = torch.tensor([[[True, False]]])
    masked = coalitions.mask(xyz, region, kept, "resample", torch.Generator().manual_seed(1))[0, 0]
    assert torch.equal(masked[::2], xyz[0, ::2])
    origin = torch.cdist(masked[1::2], xyz[0]).argmin(dim=1)
    assert bool((region[0, origin] == 0).all())
    assert len(origin.unique()) > 250  # 500 draws of 500 meet about 316 different ones (1 - 1/e)


@pytest.mark.parametrize("how", get_args(Masking))
def test_mask__everything_kept_is_the_cloud_itself(how: Masking) -> None:
    xyz = _clouds()
    region = coalitions.regions(xyz, 5)
    everything = torch.ones(2, 1, 5, dtype=torch.bool)
    assert torch.equal(coalitions.mask(xyz, region, everything, how)[:, 0], xyz)


@pytest.mark.parametrize("how", get_args(Masking))
def test_mask__a_kept_region_without_points_is_as_good_as_none(how: Masking) -> None:
    xyz, region = _line(0.0, 2.0, 7.0), torch.tensor([[0, 0, 0]])  # region 1 has no points
    kept = torch.tensor([[[False, True], [True, False]]])
    assert coalitions.mask(xyz, region, kept, how)[0, :, :, 0].tolist() == [[3.0] * 3, [0.0, 2.0, 7.0]]


def test_log_odds__by_hand_and_where_p_rounds_to_one() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0, 0.0], [200.0, 0.0, 0.0]])
    label = torch.tensor([0, 0])
    # p = 3/5, so p / (1 - p) = 1.5; and z - log 2 where p itself would be 1.
    expected = torch.tensor([math.log(1.5), 200 - math.log(2.0)])
    torch.testing.assert_close(coalitions.log_odds(logits, label), expected)


def test_score__the_three_agree_with_the_probability() -> None:
    logits = _clouds(1, 5)[0].double()
    label = torch.tensor([0, 1, 2, 0, 1])
    p = logits.softmax(dim=1)[torch.arange(5), label]
    torch.testing.assert_close(coalitions.score(logits, label), torch.log(p / (1 - p)))
    torch.testing.assert_close(coalitions.score(logits, label, "log_p"), torch.log(p))
    torch.testing.assert_close(coalitions.score(logits, label, "logit"), logits[torch.arange(5), label])


def test_log_odds__one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        coalitions.log_odds(torch.zeros(2, 1), torch.zeros(2, dtype=torch.int64))
