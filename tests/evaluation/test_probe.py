"""The probe on inner products is scikit-learn's probe on features; C comes from the training clouds alone."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from pointssl.evaluation import probe
from pointssl.evaluation.probe import SVMConfig
from tests.evaluation.doubles import blobs

TRAIN, LABELS = blobs(4, 15, spread=2.5)
TEST, TEST_LABELS = blobs(4, 10, seed=1, spread=2.5)


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_fit_predict__fixed_c_agrees_with_svc_on_features(c: float) -> None:
    expected = SVC(kernel="linear", C=c).fit(TRAIN, LABELS).predict(TEST)
    got = probe.fit_predict(TRAIN, LABELS, TEST, SVMConfig(c=c))
    np.testing.assert_array_equal(got.predictions, expected)
    assert (got.c, got.validation) == (c, ())


@pytest.mark.parametrize("standardise", [False, True])
def test_fit_predict__cross_validation_agrees_with_grid_search(standardise: bool) -> None:
    config = SVMConfig(standardise=standardise)
    folds = probe.deal(LABELS, 5, np.random.default_rng(7))  # 60 clouds: 12 in each, so all folds weigh the same
    machine = make_pipeline(StandardScaler(with_mean=standardise, with_std=standardise), SVC(kernel="linear"))
    search = GridSearchCV(machine, {"svc__C": config.grid}, cv=PredefinedSplit(folds)).fit(TRAIN, LABELS)
    got = probe.fit_predict(TRAIN, LABELS, TEST, config, seed=7)
    assert got.c == search.best_params_["svc__C"]
    np.testing.assert_allclose([a for _, a in got.validation], search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(got.predictions, search.predict(TEST))


def test_fit_predict__many_clouds_take_the_other_path(monkeypatch: pytest.MonkeyPatch) -> None:
    by_products = probe.fit_predict(TRAIN, LABELS, TEST, SVMConfig())
    monkeypatch.setattr(probe, "GRAM_LIMIT", 10)
    by_features = probe.fit_predict(TRAIN, LABELS, TEST, SVMConfig())
    assert by_products.validation == by_features.validation
    np.testing.assert_array_equal(by_products.predictions, by_features.predictions)


def test_fit_predict__one_vs_rest_is_linear_svc() -> None:
    expected = LinearSVC(C=0.1, dual=True, random_state=0, max_iter=100_000, tol=1e-8).fit(TRAIN.astype(float), LABELS)
    got = probe.fit_predict(TRAIN, LABELS, TEST, SVMConfig(c=0.1, strategy="one-vs-rest"))
    np.testing.assert_array_equal(got.predictions, expected.predict(TEST.astype(float)))


def test_fit_predict__classes_with_few_members() -> None:
    kept = np.concatenate(
        [np.flatnonzero(LABELS == 0)[:1], np.flatnonzero(LABELS == 1)[:2], np.flatnonzero(LABELS > 1)]
    )
    got = probe.fit_predict(TRAIN[kept], LABELS[kept], TEST, SVMConfig())
    assert len(got.validation) == 9
    assert set(got.predictions.tolist()) <= {0, 1, 2, 3}


def test_fit_predict__one_member_per_class_cannot_validate() -> None:
    _, first = np.unique(LABELS, return_index=True)
    got = probe.fit_predict(TRAIN[first], LABELS[first], TEST, SVMConfig())
    assert got.validation == ()
    # Where the border between two classes of one member is half-way between them, C does not matter.
    other = probe.fit_predict(TRAIN[first], LABELS[first], TEST, SVMConfig(c=10.0))
    np.testing.assert_array_equal(got.predictions, other.predictions)


def test_fit_predict__one_class_of_two_does_not_decide_for_the_others() -> None:
    # Seven classes, one cloud each but for the first, which has two. Judged by those two alone the smallest C is as
    # good as any, and with it every cloud is called the first class.
    centres = 10 * np.eye(7, dtype=np.float32)
    train, labels = np.concatenate([centres[:1] * 0.9, centres]), np.array([0, *range(7)])
    config = SVMConfig(standardise=True, grid=probe.STANDARDISED_GRID)
    got = probe.fit_predict(train, labels, centres * 1.1, config)
    assert (got.c, got.validation) == (1.0, ())
    np.testing.assert_array_equal(got.predictions, np.arange(7))
    smallest = probe.fit_predict(train, labels, centres * 1.1, SVMConfig(c=config.grid[0], standardise=True))
    assert (smallest.predictions == 0).all()


def test_fit_predict__a_tie_takes_the_smallest_c() -> None:
    far, labels = blobs(3, 10, spread=0.01)  # every C is right
    got = probe.fit_predict(far, labels, far, SVMConfig(grid=(1.0, 0.1, 10.0)))
    assert [accuracy for _, accuracy in got.validation] == [1.0, 1.0, 1.0]
    assert got.c == 0.1


def test_deal__every_fold_has_its_share_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [11, 5, 1])
    folds = probe.deal(labels, 5, np.random.default_rng(0))
    counts = np.array([[((labels == c) & (folds == f)).sum() for f in range(5)] for c in (0, 1)])
    assert counts.min(axis=1).tolist() == [2, 1]
    assert counts.max(axis=1).tolist() == [3, 1]
    assert folds[labels == 2].tolist() == [-1]
    assert np.ptp([(folds == f).sum() for f in range(5)]) <= 1


def test_svm_config__refuses_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="c must be positive, got 0"):
        SVMConfig(c=0.0)
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        SVMConfig(folds=1)


def test_rule__names_everything_that_was_done() -> None:
    assert SVMConfig(c=0.01).rule == "linear SVC, one-vs-one, C = 0.01, raw"
    rule = SVMConfig(standardise=True, strategy="one-vs-rest").rule
    assert "LinearSVC, one-vs-rest" in rule
    assert "5-fold" in rule
    assert rule.endswith("standardised")
