"""Parts of the studies on hand-made numbers: resamples, overlap, base and novel classes."""

import numpy as np
import pytest

from pointssl.data.arrays import ArrayDataset
from pointssl.data.class_split import class_split
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import Splits
from pointssl.errors import DataError
from pointssl.interpret import InteractConfig, interact
from pointssl.interpret.profiles import ProfileConfig, profile
from pointssl.study import figures, interaction_overlap
from tests.interpret import networks


def test_figures__first_row_is_what_a_profile_says() -> None:
    settings = InteractConfig(clouds=5, regions=5, reading=ReadConfig(points=40), device="cpu")
    [table] = interact({"tiny": networks.EncoderAndHead()}, networks.clouds(), settings).values()
    expected = profile(table)
    right = np.array([True, True, False, True])
    found = figures.figures(table, right, ProfileConfig())
    assert found.curve[0] == pytest.approx([one.mean for one in expected.share_of_effect])
    assert (found.low[0], found.high[0]) == pytest.approx((expected.low.mean, expected.high.mean))
    assert (found.accuracy[0], found.effect) == pytest.approx((0.75, expected.effect))
    assert found.accuracy[1:].mean() == pytest.approx(0.75, abs=0.03)


def test_overlap__by_hand() -> None:
    first = np.zeros((1, 10), dtype=bool)
    second = np.zeros((1, 10), dtype=bool)
    first[0, :4], second[0, 2:7] = True, True  # 2 of 4 recur; 5 of 10 are salient in the other one
    share, chance = interaction_overlap.shares(np.stack([first, second]), seed=0)
    assert (share[0, 0], chance[0, 0]) == pytest.approx((2 / 4, 5 / 10))
    assert (share[1, 0], chance[1, 0]) == pytest.approx((2 / 5, 4 / 10))


def test_overlap__of_a_network_with_its_twin_is_whole() -> None:
    salient = np.random.default_rng(0).random((6, 32)) < 0.3
    share, chance = interaction_overlap.shares(np.stack([salient, salient]), seed=0)
    assert share == pytest.approx(1.0)
    assert (chance < 1).all()


def test_overlap__of_chance_is_chance() -> None:
    salient = np.random.default_rng(0).random((2, 400, 64)) < 0.3
    share, chance = interaction_overlap.shares(salient, seed=0)
    assert share[:, 0] == pytest.approx(chance[:, 0], abs=0.02)


def data(classes: int = 5) -> Splits:
    def part(name: str, each: int) -> ArrayDataset:
        label = np.repeat(np.arange(classes), each)
        points = np.random.default_rng(each).normal(size=(len(label), 8, 3)).astype(np.float32)
        return ArrayDataset(points, name=f"set/{name}", labels=label, classes=[f"c{k}" for k in range(classes)])

    return Splits(name="set", train=part("train", 4), test=part("test", 2), origin="by hand")


def test_class_split__parts_share_no_class_and_lose_no_cloud() -> None:
    whole = data()
    parted = class_split(whole, 0.4, seed=0)
    base, novel = (pair[0].classes for pair in (parted.base, parted.novel))
    assert (len(base), len(novel)) == (3, 2)
    assert set(base) | set(novel) == set(whole.train.classes)
    assert len(parted.base[1]) + len(parted.novel[1]) == len(whole.test)
    for part in (*parted.base, *parted.novel):
        labels = part.labels
        assert labels is not None
        for place in range(len(part)):
            cloud = part[place]
            assert cloud.label == labels[place]
            name = part.classes[labels[place]]
            home = whole.train if part.name.endswith("train") else whole.test
            assert home.labels is not None
            [row] = [k for k in range(len(home)) if np.array_equal(home.xyz(k), part.xyz(place))]
            assert home.classes[home.labels[row]] == name


def test_class_split__seeds_leave_out_other_classes() -> None:
    found = {class_split(data(), 0.4, seed).novel[0].classes for seed in range(5)}
    assert len(found) > 1
    assert len({class_split(data(), 0.4, seed).base[0].fingerprint for seed in (0, 0)}) == 1


def test_class_split__too_few_classes() -> None:
    with pytest.raises(DataError, match="3 classes"):
        class_split(data(3), 0.4, 0)
