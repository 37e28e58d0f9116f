"""Label fractions and few-shot episodes: sizes, no overlap, and the same draw for every encoder."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pointssl.errors import DataError
from pointssl.evaluation import few_shot
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.train.labels import label_subset
from tests.evaluation.doubles import blobs

LABELS = np.repeat(np.arange(4), [100, 40, 7, 1])


@pytest.mark.parametrize(("fraction", "expected"), [(0.01, [1, 1, 1, 1]), (0.1, [10, 4, 1, 1]), (1.0, [100, 40, 7, 1])])
def test_subset__share_of_every_class_and_at_least_one(fraction: float, expected: list[int]) -> None:
    kept = label_subset(LABELS, fraction, 0)
    assert np.bincount(LABELS[kept]).tolist() == expected
    assert len(np.unique(kept)) == len(kept)


def test_subset__grows_with_the_fraction_and_changes_with_the_seed() -> None:
    small, large = label_subset(LABELS, 0.1, 3), label_subset(LABELS, 0.5, 3)
    assert set(small.tolist()) <= set(large.tolist())
    assert label_subset(LABELS, 0.1, 4).tolist() != small.tolist()
    assert label_subset(LABELS, 0.1, 3).tolist() == small.tolist()


def test_draw__protocol_a_is_disjoint_within_one_split() -> None:
    labels = np.repeat(np.arange(6), 35)
    episode = few_shot.draw(labels, None, 5, 10, 20, seed=0)
    assert (len(episode.support), len(episode.query)) == (50, 100)
    assert not set(episode.support.tolist()) & set(episode.query.tolist())
    for places, classes in ((episode.support, episode.support_class), (episode.query, episode.query_class)):
        pairs = {(int(c), int(labels[p])) for p, c in zip(places, classes, strict=True)}
        assert len(pairs) == 5  # one data class for each episode class


def test_draw__protocol_b_takes_queries_from_the_test_split() -> None:
    train, test = np.repeat(np.arange(3), 10), np.repeat(np.arange(3), [5, 8, 2])
    episode = few_shot.draw(train, test, 2, 10, 5, seed=0)
    assert set(test[episode.query].tolist()) == set(train[episode.support].tolist()) == {0, 1}
    np.testing.assert_array_equal(
        test[episode.query][[0, 5]], train[episode.support][[0, 10]]
    )  # episode class 0 and 1 are the same data class on both sides


def test_draw__too_few_clouds_is_said_in_one_line() -> None:
    with pytest.raises(
        DataError, match="5-way needs 5 classes with 10 support and 20 query clouds each, the data has 2"
    ):
        few_shot.draw(LABELS, None, 5, 10, 20, seed=0)


def test_left_out__names_the_small_classes() -> None:
    said = few_shot.left_out(LABELS, None, 10, 20, ("a", "b", "c", "d"))
    assert said == "; 2 classes have fewer than 10 + 20 clouds and are left out: c, d"
    assert few_shot.left_out(np.zeros(30, dtype=np.int64), None, 10, 20, ("a",)) == ""


def test_frozen_accuracy__agrees_with_a_pipeline() -> None:
    rows, labels = blobs(6, 40, spread=3.0)
    episode = few_shot.draw(labels, None, 5, 10, 20, seed=1)
    machine = make_pipeline(StandardScaler(), SVC(kernel="linear", C=1))
    _, support = np.unique(episode.support_class, return_inverse=True)
    machine.fit(rows[episode.support], support)  # votes of pairs may tie: the numbering of the classes decides then
    expected = machine.score(rows[episode.query], np.repeat(np.arange(5), 20))
    assert few_shot.frozen_accuracy(rows, episode) == pytest.approx(expected)


def test_few_shot_config__refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="ways must be at least 2"):
        FewShotConfig(ways=(1,))
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        FewShotConfig(episodes=0)
