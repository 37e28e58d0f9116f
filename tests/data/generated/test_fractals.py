"""Fractals: places obey the maps, every class is fit, clouds are of their class, and a step by step walk agrees."""

import numpy as np
import pytest

from pointssl.data.generated.fractals import Fractals, System, system, walk
from pointssl.data.open import open_dataset
from pointssl.errors import SettingError
from pointssl.ops import counter_random


def test_system__of_every_class_is_contained_and_fills_space() -> None:
    for label in range(12):
        one = system(label)
        maps = int((one.upto < 1).sum()) + 1
        assert 2 <= maps <= 7
        assert np.abs(one.matrix).max() <= 1
        alone = System(*(part[None] for part in one))
        places = walk(alone, np.zeros((1, 64), dtype=np.int64), counter_random.keys(9, np.arange(1)), 64).reshape(-1, 3)
        # Other walks than those that it was scaled by; maps shrink in the mean only, so a few places lie outside.
        assert np.abs(places).max() < 3
        assert (np.abs(places) < 1).all(axis=1).mean() > 0.98
        assert places.var(axis=0).min() > 0.03


def test_system__probabilities_are_as_the_determinants() -> None:
    one = system(3)
    maps = int((one.upto < 1).sum()) + 1
    likely = np.abs(np.linalg.det(one.matrix[:maps].astype(np.float64)))
    np.testing.assert_allclose(np.diff(one.upto[:maps], prepend=0), likely / likely.sum(), atol=1e-5)


def test_walk__every_place_is_a_map_of_the_one_before() -> None:
    systems = System(*(np.stack(part) for part in zip(system(0), system(1), strict=True)))
    of_walk = np.array([[0, 1, 1], [1, 0, 0]])
    places = walk(systems, of_walk, counter_random.keys(0, np.arange(2)), 20)
    for cloud in range(2):
        for step in range(1, 20):
            for one in range(3):
                matrix, offset = (part[of_walk[cloud, one]] for part in systems[:2])
                images = np.einsum("mij,j->mi", matrix, places[cloud, step - 1, one]) + offset
                assert np.abs(images - places[cloud, step, one]).max(axis=1).min() < 1e-5


def test_draw__four_fifths_are_of_the_class_and_the_rest_of_one_other() -> None:
    data = open_dataset("generated:fractals:count=5:n=30:points=640")
    assert data.classes == tuple(f"fractal_{number:04d}" for number in range(5))
    assert data.labels is not None
    assert np.bincount(data.labels).tolist() == [6] * 5
    for index in (0, 7, 29):
        part = data[index].channels["part"][:, 0]
        assert part.mean() == pytest.approx(13 / 64)
    test = open_dataset("generated:fractals:count=5:n=30:points=640", "test")
    assert test.labels is not None
    assert np.bincount(test.labels).tolist() == [2] * 5


def test_draw__clouds_of_a_class_are_more_alike_than_others() -> None:
    data = open_dataset("generated:fractals:count=4:n=48")
    clouds = np.stack(
        [data[i].points[data[i].channels["part"][:, 0] == 0] - data[i].points.mean(axis=0) for i in range(48)]
    )
    moments = np.einsum("bni,bnj->bij", clouds, clouds).reshape(48, 9) / clouds.shape[1]
    distance = np.linalg.norm(moments[:, None] - moments[None], axis=2)
    assert data.labels is not None
    same = data.labels[:, None] == data.labels[None]
    np.fill_diagonal(distance, np.inf)
    assert same[np.arange(48), distance.argmin(axis=1)].mean() > 0.7  # a quarter by chance


def test_count__that_cannot_be_is_one_line() -> None:
    with pytest.raises(SettingError, match="count must be 2 to 10000 classes, got 1"):
        open_dataset("generated:fractals:count=1")
    with pytest.raises(ValueError, match="count must be"):
        Fractals(count=0)
