"""Mixtures: the shares that were asked for, every cloud of a source once an epoch, and words that name nothing."""

from pathlib import Path

import numpy as np
import pytest

from pointssl.data.batches import Batches, stack
from pointssl.data.endless import is_endless
from pointssl.data.mixture import Mixture, read_mixture
from pointssl.data.open import open_dataset, splits_of
from pointssl.errors import DataError, SettingError
from tests.doubles import ToyClouds


def owners(mixture: Mixture, count: int, first: int = 0) -> np.ndarray:
    """Return which source each of some clouds comes from."""
    return np.array([mixture.source_of(index)[0] for index in range(first, first + count)])


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.2, 0.8), (3.0, 1.0, 1.0), (0.7, 0.2, 0.1), (1.0,)])
def test_shares__are_the_weights_in_every_stretch(weights: tuple[float, ...]) -> None:
    mixture = Mixture([(ToyClouds(seed=seed), weight) for seed, weight in enumerate(weights)])
    for first in (0, 12_345, 2**40):
        found = np.bincount(owners(mixture, 1000, first), minlength=len(weights)) / 1000
        np.testing.assert_allclose(found, np.array(weights) / sum(weights), atol=0.004)


def test_draws__of_a_source_are_counted_one_by_one() -> None:
    mixture = Mixture([(ToyClouds(), 0.3), (ToyClouds(), 0.5), (ToyClouds(), 0.2)])
    found = [mixture.source_of(index) for index in range(200)]
    for source in range(3):
        draws = [draw for owner, draw in found if owner == source]
        assert draws == list(range(len(draws)))


def test_source__with_an_end_is_read_once_an_epoch() -> None:
    toy = ToyClouds(clouds=7)
    mixture = Mixture([(toy, 1.0), (ToyClouds(clouds=5, seed=1), 1.0)])
    mine = [index for index in range(28) if mixture.source_of(index)[0] == 0]
    epochs = [[mixture.xyz(index).tobytes() for index in mine[start : start + 7]] for start in (0, 7)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(cloud.tobytes() for cloud in toy.points)
    assert epochs[0] != epochs[1]


def test_sample__is_what_each_source_gives() -> None:
    mixture = open_dataset("mix:generated:unions=1,synthetic:20=1")
    assert isinstance(mixture, Mixture)
    index = np.arange(40, 48)
    together = mixture.sample(index, 100)
    for row, one in enumerate(index):
        np.testing.assert_array_equal(mixture.sample(np.array([one]), 100)[0], together[row])
    generated = open_dataset("generated:unions")
    row = next(row for row, one in enumerate(index) if mixture.source_of(int(one))[0] == 0)
    draw = mixture.source_of(int(index[row]))[1]
    np.testing.assert_array_equal(together[row], generated.sample(np.array([draw]), 100)[0])  # type: ignore[attr-defined]


def test_sample__a_stored_cloud_gets_other_points_in_its_next_epoch() -> None:
    mixture = Mixture([(ToyClouds(clouds=1, points=48), 1.0)])
    first, second = mixture.sample(np.array([0, 1]), 20)
    assert {tuple(p) for p in first.tolist()} != {tuple(p) for p in second.tolist()}


def test_batches__of_a_mixture_keep_the_shares() -> None:
    mixture = Mixture([(ToyClouds(), 0.25), (ToyClouds(seed=1), 0.75)])
    batches = Batches(mixture, batch=8, points=16, seed=3)
    for step in range(5):
        owner = [mixture.source_of(int(index))[0] for index in batches.indices(step)]
        assert owner.count(0) == 2
    assert batches(0).label is None


def test_stack__faults_of_stored_clouds_name_their_source() -> None:
    mixture = Mixture([(ToyClouds(points=10), 1.0)])
    with pytest.raises(DataError, match="of toy has 10 points, fewer than the 20"):
        stack(mixture, [0], 20)
    assert stack(mixture, [0], 20, allow_repeats=True).xyz.shape == (1, 20, 3)


def test_mixture__has_no_end_no_labels_and_a_fingerprint_of_its_shares() -> None:
    specs = ("mix:generated:unions=1,synthetic:20=1", "mix:generated:unions=1,synthetic:20=2", "mix:synthetic:20=1")
    mixed = [open_dataset(spec) for spec in specs]
    assert all(is_endless(one) and one.labels is None and one[5].label is None for one in mixed)
    assert len({one.fingerprint for one in mixed}) == 3
    assert open_dataset(specs[0]).fingerprint == mixed[0].fingerprint
    assert splits_of(specs[0]) == ()
    with pytest.raises(SettingError, match=r"has no end.*measure on its sources"):
        len(mixed[0])


def test_mixture__takes_the_split_where_a_source_has_it() -> None:
    whole, train = (open_dataset("mix:generated:unions=1,synthetic:20=1", split) for split in ("all", "train"))
    assert whole.fingerprint != train.fingerprint


def test_read__the_weight_stands_after_the_last_equals_sign() -> None:
    assert read_mixture("mix:generated:unions:seed=3=0.5,a=b/=2,c=0") == [("generated:unions:seed=3", 0.5), ("a=b/", 2)]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mix:", "must read mix:SET=WEIGHT"),
        ("mix:synthetic", "'synthetic' is no set with a weight"),
        ("mix:synthetic=-1", "is no set with a weight"),
        ("mix:synthetic=nan", "is no set with a weight"),
        ("mix:generated:unions:seed=3", "is no set with a weight"),
        ("mix:synthetic=0,generated:unions=0", "are all 0"),
        ("mix:mix:synthetic=1=1", "mixes a mixture"),
        ("mix:generated:onions=1", "did you mean 'unions'"),
        ("mix:synthetik=1", "did you mean 'synthetic'"),
    ],
)
def test_open__what_names_nothing_is_one_clear_line(spec: str, message: str) -> None:
    with pytest.raises((SettingError, DataError), match=message) as raised:
        open_dataset(spec)
    assert "\n" not in str(raised.value)


def test_open__sources_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        open_dataset(f"mix:generated:unions=1,{tmp_path / 'nowhere'}=1")
