"""Farthest point sampling against values worked out by hand and brute force."""

import pytest
import torch

from pointssl.ops import sampling


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
