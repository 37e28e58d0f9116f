"""Maps against scikit-learn, and what is said where there are too few clouds."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from pointssl.show.run import embedding


def test_pca_map__agrees_with_scikit_learn_up_to_sign() -> None:
    values = np.random.default_rng(0).normal(size=(25, 6)) * [5, 3, 1, 1, 1, 1]
    oracle = PCA(2, svd_solver="full").fit(values)
    flat = embedding.pca_map(values)
    np.testing.assert_allclose(np.abs(flat.places), np.abs(oracle.transform(values)), atol=1e-9)
    assert f"{100 * oracle.explained_variance_ratio_.sum():.0f} %" in flat.note


def test_pca_map__one_cloud() -> None:
    np.testing.assert_array_equal(embedding.pca_map(np.ones((1, 4))).places, [[0.0, 0.0]])


def test_tsne_map__keeps_two_far_groups_apart_and_repeats_itself() -> None:
    generator = np.random.default_rng(1)
    values = np.concatenate([generator.normal(size=(20, 8)), generator.normal(size=(20, 8)) + 30])
    flat = embedding.tsne_map(values, iterations=300)
    apart = np.linalg.norm(flat.places[:20].mean(axis=0) - flat.places[20:].mean(axis=0))
    assert apart > 2 * flat.places[:20].std()
    assert "lowered" not in flat.note
    np.testing.assert_array_equal(flat.places, embedding.tsne_map(values, iterations=300).places)


def test_tsne_map__few_clouds_lower_the_perplexity_and_say_so() -> None:
    flat = embedding.tsne_map(np.random.default_rng(2).normal(size=(7, 4)), iterations=250)
    assert flat.places.shape == (7, 2)
    assert flat.note.startswith("Perplexity 2, 250 iterations (lowered from 10 because there are only 7 clouds)")


def test_tsne_map__too_few_clouds() -> None:
    with pytest.raises(ValueError, match="at least 5 clouds for t-SNE, got 4"):
        embedding.tsne_map(np.zeros((4, 3)))
