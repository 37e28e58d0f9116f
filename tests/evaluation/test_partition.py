"""Rand indices against scikit-learn and by hand; ways of cutting that must find what is plainly there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, rand_score

from pointssl.backbones.pointnet import PointNet, PointNetConfig
from pointssl.data.arrays import ArrayDataset
from pointssl.data.files.dataset import open_files
from pointssl.data.public.psb import human_segmentations
from pointssl.data.splits import Subset
from pointssl.evaluation import partition
from pointssl.methods import ParAE, ParAEConfig


@pytest.mark.parametrize(("j", "k"), [(2, 3), (8, 5), (32, 8), (1, 4), (1, 1)])
def test_rand_indices__agree_with_sklearn(j: int, k: int) -> None:
    generator = np.random.default_rng(j)
    a, b = generator.integers(j, size=200), generator.integers(k, size=200) * 10  # numbers have no meaning
    assert list(partition.rand_indices(a, b)) == pytest.approx([rand_score(a, b), adjusted_rand_score(a, b)])


def test_rand_indices__by_hand() -> None:
    # Pairs of 4 points: 01 together in both, 23 together in a only; 02, 03, 12, 13 apart in both: 5 of 6 agree.
    assert partition.rand_indices(np.array([0, 0, 1, 1]), np.array([5, 5, 6, 7]))[0] == pytest.approx(5 / 6)
    assert partition.rand_indices(np.array([0, 1, 2]), np.array([2, 0, 1])) == (1.0, 1.0)
    with pytest.raises(ValueError, match="at least 2 points"):
        partition.rand_indices(np.array([0]), np.array([0]))


def test_people__means_over_persons_and_pairs() -> None:
    people = np.array([[0, 0, 1, 1], [3, 3, 4, 4], [0, 0, 0, 0]])
    assert partition.against_people(people[0], people)[0] == pytest.approx((1 + 1 + 2 / 6) / 3)
    among = partition.among_people(people)
    assert among is not None
    assert among[0] == pytest.approx((1 + 2 / 6 + 2 / 6) / 3)
    assert partition.among_people(people[:1]) is None


def _two_balls() -> tuple[ArrayDataset, list[np.ndarray]]:
    """Models of two far balls each; two people cut between the balls, a third says it is all one."""
    generator = np.random.default_rng(0)
    side = np.tile(np.repeat([0, 1], 40), (3, 1))
    clouds = generator.normal(size=(3, 80, 3)) * 0.1
    clouds[..., 0] += np.where(side == 0, -3, 3)
    people = [np.stack([side[0], 1 - side[0], np.zeros(80, dtype=np.int64)]) for _ in range(3)]
    return ArrayDataset(clouds.astype(np.float32), name="balls"), people


@pytest.mark.parametrize("way", [partition.by_k_means, partition.by_mixture])
def test_measure__plain_parts_are_found(way: Callable[[int], partition.Segmenter]) -> None:
    data, people = _two_balls()
    got = partition.measure("way", way(2), data, people, points=80)
    one_for_all = rand_score([0] * 40 + [1] * 40, [0] * 80)
    assert got.rand.mean == pytest.approx((2 + one_for_all) / 3)
    assert got.parts == 2
    assert len(got.rand_per_model) == 3


def test_measure__points_and_labels_stay_together() -> None:
    data, people = _two_balls()
    got = partition.measure("x", lambda xyz: (xyz[:, 0] > 0).astype(np.int64), data, [p[:1] for p in people], points=30)
    assert got.rand.mean == 1.0


def test_measure_people__ceiling_of_the_same_models() -> None:
    data, people = _two_balls()
    got = partition.measure_people(data, people, points=80)
    one_for_all = rand_score([0] * 40 + [1] * 40, [0] * 80)
    assert got.rand.mean == pytest.approx((1 + 2 * one_for_all) / 3)
    assert got.parts == pytest.approx(5 / 3)


def test_measure_people__agree_on_real_models_and_more_than_k_means_does(shared_data: Path) -> None:
    path = shared_data / "psb-segmentation" / "models.npz"
    data, people = open_files(path, "test"), human_segmentations(path, "test")
    some = np.arange(0, len(data), 5)
    chosen = [people[i] for i in some]
    among = partition.measure_people(Subset(data, some, "some"), chosen, points=256)
    cells = partition.measure("k-means", partition.by_k_means(8), Subset(data, some, "some"), chosen, points=256)
    # The benchmark's authors print 1 - Rand of about 0.1 between people; with shuffled points the index falls to 0.6.
    assert 0.84 < among.rand.mean < 0.95
    assert among.adjusted.mean > cells.adjusted.mean


def test_by_network__is_the_argmax_of_the_assignment() -> None:
    torch.manual_seed(0)
    method = ParAE(
        PointNet(PointNetConfig(local=(8,), hidden=(8,), pooled_dim=16)), ParAEConfig(components=4, head=(8,))
    )
    xyz = torch.randn(20, 3)
    expected = method.eval().partition_logits(xyz[None]).softmax(dim=-1)[0].argmax(dim=-1)
    assert partition.by_network(method.train())(xyz.numpy()).tolist() == expected.tolist()


def test_compare__is_paired_over_models() -> None:
    data, people = _two_balls()
    good = partition.measure("good", partition.by_k_means(2), data, people, points=80)
    bad = partition.measure("bad", lambda xyz: np.arange(len(xyz)), data, people, points=80)
    rand, adjusted = partition.compare(good, bad)
    assert rand.mean == pytest.approx(good.rand.mean - bad.rand.mean)
    assert adjusted.mean > 0
    assert rand.p == pytest.approx(2 / 2**3)  # three models: the smallest p of an exact sign test
