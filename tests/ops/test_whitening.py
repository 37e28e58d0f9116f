"""Whitening: hand values, scikit-learn's whitened PCA as oracle, features that say nothing, and what it is for."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from pointssl.ops.whitening import fit_whitening


def features(m: int = 60, d: int = 8, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (generator.normal(size=(m, d)) @ generator.normal(size=(d, d)) + 3).astype(np.float32)


def test_whitening__power_one_is_whitened_pca() -> None:
    rows = features()
    ours = fit_whitening(rows, axes=5, power=1.0)(rows)
    theirs = PCA(5, whiten=True).fit_transform(StandardScaler().fit_transform(rows.astype(np.float64)))
    theirs *= np.sqrt(60 / 59)  # scikit-learn divides by n - 1
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-4)


def test_whitening__power_zero_keeps_distances_of_standardised_features() -> None:
    rows = features()
    ours = fit_whitening(rows, axes=8, power=0.0)(rows)
    scaled = StandardScaler().fit_transform(rows.astype(np.float64))
    np.testing.assert_allclose(ours @ ours.T, scaled @ scaled.T, rtol=1e-3, atol=1e-3)


def test_whitening__half_power_leaves_the_root_of_every_length() -> None:
    # The signs of the two features agree in three of four clouds: correlation 1/2, axes of variance 3/2 and 1/2.
    rows = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1], [1, 1], [-1, -1], [1, 1], [-1, -1]], dtype=np.float32)
    ours = fit_whitening(rows)(rows)
    np.testing.assert_allclose(ours.std(axis=0), [1.5**0.25, 0.5**0.25], rtol=1e-6)


def test_whitening__applies_to_new_clouds_and_ignores_what_never_moved() -> None:
    rows = features()
    rows[:, 2] = 7.0
    learned = fit_whitening(rows)
    new = features(4, seed=1)
    other = new.copy()
    other[:, 2] += 100
    assert learned(rows).shape == (60, 7)
    np.testing.assert_array_equal(learned(new), learned(other))


def test_whitening__lets_a_short_axis_be_heard() -> None:
    # Class is the sign of one feature of nine; the eight others are copies of one number that says nothing of it.
    generator = np.random.default_rng(0)
    label = generator.integers(2, size=400)
    rows = np.concatenate([generator.normal(size=(400, 1)).repeat(8, axis=1), 2.0 * label[:, None] - 1], axis=1)
    rows = (rows + 0.1 * generator.normal(size=rows.shape)).astype(np.float32)

    def right(found: np.ndarray) -> float:
        unit = found / np.linalg.norm(found, axis=1, keepdims=True)
        cosine = unit @ unit.T
        np.fill_diagonal(cosine, -2)
        return float((label[cosine.argmax(axis=1)] == label).mean())

    centred = rows - rows.mean(axis=0)
    shorter = fit_whitening(rows, power=0.0)(rows)
    assert right(fit_whitening(rows, axes=2)(rows)) >= max(right(centred), right(shorter))


@pytest.mark.parametrize(
    ("change", "message"), [({"axes": 0}, "axes must be at least 1"), ({"power": 1.5}, "power must be 0 to 1")]
)
def test_whitening__refuses_impossible_settings(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_whitening(features(), **change)  # type: ignore[arg-type]


def test_whitening__refuses_clouds_that_are_all_alike() -> None:
    with pytest.raises(ValueError, match="clouds that differ"):
        fit_whitening(np.ones((5, 3), dtype=np.float32))
