"""Batches: a function of (seed, step), random subsets, unit spheres, and clouds that cannot be stacked."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pointssl.data.augment import AugmentConfig
from pointssl.data.batches import Batches, prefetch, shuffled, stack, unit_sphere
from pointssl.data.open import open_dataset
from pointssl.errors import DataError
from pointssl.ops.counter_random import seed_of
from tests.doubles import ToyClouds


def test_seed_of__every_part_matters() -> None:
    seeds = {seed_of(0, 1), seed_of(1, 0), seed_of(0, 1, 0), seed_of(0, 2), seed_of(2**63), seed_of(-1)}
    assert len(seeds) == 6
    assert seed_of(3, 4) == seed_of(3, 4)


def test_shuffled__is_a_permutation_of_every_cloud() -> None:
    order = shuffled(7, np.array([3, 3, 900]), 50)
    np.testing.assert_array_equal(np.sort(order, axis=1), np.tile(np.arange(50), (3, 1)))
    np.testing.assert_array_equal(order[0], order[1])
    assert not np.array_equal(order[0], order[2])


def test_shuffled__every_point_is_equally_likely_in_every_place() -> None:
    order = shuffled(0, np.arange(20_000), 5)
    counts = np.stack([(order == point).sum(axis=0) for point in range(5)])
    # Binomial(20000, 1/5): standard deviation 57, so 5 of them are 283.
    assert np.abs(counts - 4000).max() < 283


def test_shuffled__seeds_one_apart_do_not_shift_the_clouds() -> None:
    a, b = shuffled(0, np.arange(50), 40), shuffled(1, np.arange(50), 40)
    assert not any(np.array_equal(row, other) for row in a for other in b)


def test_unit_sphere__by_hand() -> None:
    cloud = np.array([[[0, 0, 0], [2, 0, 0], [4, 0, 0]]], dtype=np.float32)
    np.testing.assert_allclose(unit_sphere(cloud), [[[-1, 0, 0], [0, 0, 0], [1, 0, 0]]], atol=1e-6)


def test_unit_sphere__equal_points_become_zero() -> None:
    np.testing.assert_array_equal(unit_sphere(np.full((1, 4, 3), 7, dtype=np.float32)), np.zeros((1, 4, 3)))


def test_stack__takes_points_of_the_cloud_none_twice() -> None:
    data = ToyClouds(clouds=3, points=40)
    batch = stack(data, [2, 0], 30, normalise=False)
    for row, index in enumerate((2, 0)):
        stored = {tuple(point) for point in data.points[index].tolist()}
        drawn = [tuple(point) for point in batch.xyz[row].tolist()]
        assert len(set(drawn)) == 30
        assert set(drawn) <= stored
    assert batch.label is not None
    assert batch.index is not None
    assert batch.label.tolist() == [0, 0]
    assert batch.index.tolist() == [2, 0]


def test_stack__draws_at_random_and_not_the_first_points() -> None:
    data = ToyClouds(clouds=1, points=1000)
    data.points[0][:, 0] = np.arange(1000)
    x = stack(data, [0], 100, normalise=False).xyz[0, :, 0]
    # The mean of 100 of 0..999 drawn without repeats has standard deviation 27; the first 100 would have mean 49.5.
    assert abs(float(x.mean()) - 499.5) < 5 * 27


def test_stack__depends_on_seed_and_index_alone() -> None:
    data = ToyClouds()
    alone, among = stack(data, [5], 10, seed=3).xyz[0], stack(data, [1, 5, 9], 10, seed=3).xyz[1]
    torch.testing.assert_close(alone, among, rtol=0, atol=0)
    assert not torch.equal(alone, stack(data, [5], 10, seed=4).xyz[0])


def test_stack__clouds_of_unequal_sizes() -> None:
    data = ToyClouds(clouds=3)
    data.points[1] = data.points[1][:20]
    mixed = stack(data, [0, 1, 2], 20)
    for row in range(3):
        torch.testing.assert_close(mixed.xyz[row], stack(data, [row], 20).xyz[0], rtol=0, atol=0)


def test_stack__too_few_points_is_said_with_the_cloud() -> None:
    data = ToyClouds(clouds=3)
    data.points[1] = data.points[1][:7]
    with pytest.raises(DataError, match="cloud 1 of toy has 7 points, fewer than the 20"):
        stack(data, [0, 1], 20)


def test_stack__repeats_use_every_point_before_any_twice() -> None:
    data = ToyClouds(clouds=1, points=7)
    batch = stack(data, [0], 17, normalise=False, allow_repeats=True)
    _, counts = np.unique(batch.xyz[0].numpy(), axis=0, return_counts=True)
    assert sorted(counts) == [2, 2, 2, 2, 3, 3, 3]


def test_stack__an_empty_cloud_cannot_be_repeated() -> None:
    data = ToyClouds(clouds=1)
    data.points[0] = data.points[0][:0]
    with pytest.raises(DataError, match="has 0 points"):
        stack(data, [0], 5, allow_repeats=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_stack__not_finite_is_said_with_the_cloud(bad: float) -> None:
    data = ToyClouds(clouds=4)
    data.points[2][:] = bad
    with pytest.raises(DataError, match="cloud 2 of toy has NaN or infinite coordinates"):
        stack(data, [1, 2], 10)


def test_batches__one_epoch_visits_every_cloud_once() -> None:
    batches = Batches(ToyClouds(clouds=12), batch=4, points=8, seed=0)
    first = np.concatenate([batches.indices(step) for step in range(3)])
    second = np.concatenate([batches.indices(step) for step in range(3, 6)])
    assert sorted(first) == sorted(second) == list(range(12))
    assert not np.array_equal(first, second)


def test_batches__clouds_that_fill_no_batch_sit_out() -> None:
    batches = Batches(ToyClouds(clouds=11), batch=4, points=8, seed=0)
    assert batches.steps_per_epoch == 2
    assert len({int(i) for step in (0, 1) for i in batches.indices(step)}) == 8


def test_batches__fresh_points_every_epoch() -> None:
    batches = Batches(ToyClouds(clouds=2, points=48), batch=2, points=24, seed=0, normalise=False)
    clouds = []
    for step in range(2):
        batch = batches(step)
        assert batch.index is not None
        clouds.append(batch.xyz[int(batch.index.argmin())])
    assert not torch.equal(clouds[0].sort(dim=0).values, clouds[1].sort(dim=0).values)


@pytest.mark.parametrize(
    "augment",
    [None, AugmentConfig(scale=(0.8, 1.2), rotation="full", jitter=0.01, dropout=0.5, crop=0.2)],
    ids=["plain", "augmented"],
)
def test_batches__two_processes_share_the_batch_of_one(augment: AugmentConfig | None) -> None:
    data = ToyClouds(clouds=18)
    whole = Batches(data, batch=8, points=16, seed=5, augment=augment)
    parts = [Batches(data, batch=4, points=16, seed=5, rank=rank, world=2, augment=augment) for rank in (0, 1)]
    assert whole.steps_per_epoch == parts[0].steps_per_epoch
    for step in (0, 1, 7):
        joined = torch.cat([part(step).xyz for part in parts])
        torch.testing.assert_close(joined, whole(step).xyz, rtol=0, atol=0)


def test_batches__fewer_clouds_than_a_batch() -> None:
    with pytest.raises(DataError, match="toy has 3 clouds, fewer than one batch of 4"):
        Batches(ToyClouds(clouds=3), batch=4, points=8, seed=0)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_prefetch__gives_the_same_batches_in_order(workers: int) -> None:
    batches = Batches(ToyClouds(), batch=4, points=8, seed=0)
    made = list(prefetch(batches, range(3, 15), workers=workers))
    assert len(made) == 12
    for step, batch in zip(range(3, 15), made, strict=True):
        assert torch.equal(batch.xyz, batches(step).xyz)


def test_prefetch__hands_on_errors_of_its_threads() -> None:
    data = ToyClouds(clouds=4)
    data.points[0][:] = np.nan
    with pytest.raises(DataError, match="NaN"):
        list(prefetch(Batches(data, batch=4, points=8, seed=0), range(2)))


def test_stack__real_clouds_keep_their_extent(shared_data: Path) -> None:
    data = open_dataset(str(shared_data / "psb-shrec12"), "test")
    batch = stack(data, range(32), 512)
    # Stored points lie along a curve, so that the first quarter would cover a part of the shape only.
    whole = torch.stack([torch.from_numpy(unit_sphere(data.xyz(i)[None])[0]) for i in range(32)])
    extent, drawn = (x.amax(dim=1) - x.amin(dim=1) for x in (whole, batch.xyz))
    assert float((drawn / extent).median()) > 0.9
    torch.testing.assert_close(batch.xyz.norm(dim=-1).amax(dim=1), torch.ones(32))
    torch.testing.assert_close(batch.xyz.mean(dim=1), torch.zeros(32, 3), atol=1e-6, rtol=0)
