"""Distances against their definition, and the shrunken features against the measured error that they state."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from pointssl.show.run import features


def test_distances_from__agree_with_scipy() -> None:
    values = np.random.default_rng(0).normal(size=(30, 7))
    np.testing.assert_allclose(features.distances_from(values, 11), cdist(values, values)[11])


def test_typical_distance__is_the_root_mean_square_over_all_ordered_pairs() -> None:
    values = np.random.default_rng(1).normal(size=(40, 5))
    assert features.typical_distance(values) == pytest.approx(np.sqrt((cdist(values, values) ** 2).mean()))


def test_typical_distance__of_equal_rows_divides_nothing_by_zero() -> None:
    assert features.typical_distance(np.ones((4, 3))) == 1.0


@pytest.mark.parametrize("width", [3, 32, 128])
def test_shrink__keeps_distances_within_the_error_it_states(width: int) -> None:
    values = np.random.default_rng(2).normal(size=(60, width)) * np.linspace(3, 0.1, width)
    small = features.shrink(values, dims=32)
    assert small.codes.shape[1] <= 32
    off = np.abs(pdist(values) - small.step * pdist(small.codes.astype(float))).max() / features.typical_distance(
        values
    )
    assert off == pytest.approx(small.error)
    if width <= 32:  # nothing is projected away, so rounding is all: half a step per axis and end
        assert small.kept == pytest.approx(1.0)
        assert small.error * small.unit <= small.step * np.sqrt(width)


def test_shrink__share_of_variance_is_that_of_the_largest_axes() -> None:
    # Orthogonal columns of known length: 9 + 4 of 14 parts of the variance lie in the two longest.
    values = np.linalg.qr(np.random.default_rng(3).normal(size=(20, 4)))[0]
    values = np.linalg.qr(np.concatenate([np.ones((20, 1)), values], axis=1))[0][:, 1:4] * [3.0, 2.0, 1.0]
    assert features.shrink(values, dims=2).kept == pytest.approx(13 / 14)


def test_shrink__equal_features() -> None:
    small = features.shrink(np.full((5, 8), 2.0))
    assert (small.codes == 0).all()
    assert small.error == 0.0
    assert small.kept == 1.0
