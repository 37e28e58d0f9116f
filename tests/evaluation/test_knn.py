"""The vote of the neighbours against scikit-learn's and by hand."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from pointssl.evaluation import knn
from tests.evaluation.doubles import blobs

TRAIN, LABELS = blobs(3, 20, spread=2.0)
TEST, _ = blobs(3, 30, seed=1, spread=2.0)


def test_predict__one_neighbour_agrees_with_sklearn() -> None:
    expected = KNeighborsClassifier(1, metric="cosine").fit(TRAIN, LABELS).predict(TEST)
    np.testing.assert_array_equal(knn.predict(TRAIN, LABELS, TEST, k=1), expected)


def test_predict__weighted_vote_agrees_with_sklearn() -> None:
    def weigh(distance: np.ndarray) -> np.ndarray:
        return np.exp((1 - distance) / 0.07)  # its cosine distance is 1 - cosine

    expected = KNeighborsClassifier(20, metric="cosine", weights=weigh).fit(TRAIN, LABELS).predict(TEST)
    np.testing.assert_array_equal(knn.predict(TRAIN, LABELS, TEST, k=20), expected)


def test_predict__one_close_cloud_outweighs_two_far_ones() -> None:
    train = np.array([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]], dtype=np.float32)
    # At (1, 0) the cosines are 1, 0.6, 0.6: exp(1 / 0.07) is 303 times exp(0.6 / 0.07).
    assert knn.predict(train, np.array([1, 0, 0]), np.array([[5.0, 0.0]], dtype=np.float32), k=3).tolist() == [1]
    flat = knn.predict(train, np.array([1, 0, 0]), np.array([[5.0, 0.0]], dtype=np.float32), k=3, temperature=100.0)
    assert flat.tolist() == [0]


def test_predict__length_does_not_matter_and_zero_is_allowed() -> None:
    scaled = knn.predict(TRAIN * 7, LABELS, TEST * 0.01)
    np.testing.assert_array_equal(scaled, knn.predict(TRAIN, LABELS, TEST))
    assert len(knn.predict(TRAIN, LABELS, np.zeros((1, 5), dtype=np.float32))) == 1


def test_predict__refuses_no_neighbours() -> None:
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        knn.predict(TRAIN, LABELS, TEST, k=0)
