"""Every protocol gives the planted score: it learns from, is scored on and is set to what its page says."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from pointssl.backbones import Backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.errors import SettingError
from pointssl.evaluation import probe, suite
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.probe import Fitted
from pointssl.evaluation.protocols import DEFAULT, PROTOCOLS, Protocol, chosen, on_features, title
from pointssl.evaluation.published import PRESETS
from pointssl.evaluation.record import Arm, Score
from pointssl.train.labels import label_subset
from tests.evaluation.planted import CHANCE, PLACES, Mean, blind, clouds, context, features, placed

OF_CLOUDS = [name for name, protocol in PROTOCOLS.items() if protocol.classes]
"""Those of points have planted worlds of their own (`test_parts.py`)."""


def _splits() -> tuple[EvaluationContext, dict[str, float]]:
    """Six of ten test clouds of every class lie where another class was in training: 4 of 10 are right.

    Who learns from the test clouds follows the six; who is scored on the training clouds is always right.
    """
    return context(placed([(20, 0)], "planted/train"), placed([(4, 0), (6, 1)], "planted/test")), {"": 0.4}


def _published() -> tuple[EvaluationContext, dict[str, float]]:
    """As `_splits`, of clouds with points enough for every paper's rule."""
    parts = placed([(20, 0)], "planted/train"), placed([(4, 0), (6, 1)], "planted/test")
    many = [
        ArrayDataset(
            np.tile(np.stack([part.xyz(i) for i in range(len(part))]), (1, 512, 1)),
            name=part.name,
            classes=part.classes,
            labels=part.labels,
        )
        for part in parts
    ]
    return context(many[0], many[1]), {" raw": 0.4, " standardised": 0.4}


def _damaged() -> tuple[EvaluationContext, dict[str, float]]:
    """As `_splits`, on clean test clouds; the damage moves no cloud to another class except where it turns it."""
    world, expected = _splits()
    mild = ("clean", *(f"{kind} {strength}" for kind in ("noise", "scale") for strength in range(1, 6)))
    return world, {f" {row}": expected[""] for row in mild}


def _subsets() -> tuple[EvaluationContext, dict[str, float]]:
    """The clouds of the subsets lie in their own places, all others one further, as 2 of 10 test clouds do."""
    labels = np.repeat(np.arange(3), 40)
    few = np.union1d(label_subset(labels, 0.1, 0), label_subset(labels, 0.1, 1))
    places = (labels + ~np.isin(np.arange(120), few)) % 3
    train = clouds(PLACES[places], labels, "planted/train")
    return context(train, placed([(8, 0), (2, 1)], "planted/test")), {" 10%": 0.8, " 100%": 0.2}


def _training_queries() -> tuple[EvaluationContext, dict[str, float]]:
    """All test clouds lie where another class was in training: whoever asks about them is always wrong."""
    return context(placed([(20, 0)], "planted/train"), placed([(10, 1)], "planted/test")), {" 3-way 4-shot": 1.0}


def _test_queries() -> tuple[EvaluationContext, dict[str, float]]:
    """Half of the test clouds lie where another class was in training."""
    return context(placed([(20, 0)], "planted/train"), placed([(5, 0), (5, 1)], "planted/test")), {" 3-way 4-shot": 0.5}


PLANTED: dict[str, Callable[[], tuple[EvaluationContext, dict[str, float]]]] = {
    **dict.fromkeys(("svm-cv", "svm-fixed", "svm-cv-standardised", "svm-cv-wide", "linear-svc"), _splits),
    **dict.fromkeys(("knn-20", "knn-1", "finetune"), _splits),
    **dict.fromkeys(("fractions-svm", "fractions-svm-standardised", "fractions-finetune"), _subsets),
    **dict.fromkeys(PRESETS, _published),
    "robustness": _damaged,
    "few-shot-a": _training_queries,
    "few-shot-b": _test_queries,
}
"""Every protocol with a world in which its score is known, and that score for each of its rows."""


def test_planted__every_protocol_has_a_world() -> None:
    assert set(PLANTED) == set(OF_CLOUDS)


@functools.cache
def _measured(name: str) -> tuple[EvaluationContext, dict[str, float], list[Score]]:
    """Run a protocol in its world, once for all tests."""
    world, expected = PLANTED[name]()
    return world, expected, [score for score in PROTOCOLS[name].run(world) if isinstance(score, Score)]


@pytest.mark.parametrize("name", OF_CLOUDS)
def test_protocol__gives_the_planted_score(name: str) -> None:
    _, expected, scores = _measured(name)
    found = {(s.protocol, s.arm): s for s in scores}
    rows = {(name + row, arm) for row in expected for arm in ("pretrained", "untrained")}
    assert rows <= set(found) if name == "robustness" else rows == set(found)  # not all damage has a planted score
    for row, accuracy in expected.items():
        seen, unseen = found[name + row, "pretrained"], found[name + row, "untrained"]
        assert [r.accuracy for r in seen.repeats] == pytest.approx([accuracy] * len(seen.repeats))
        assert [r.accuracy for r in unseen.repeats] == pytest.approx([CHANCE] * len(unseen.repeats))


@pytest.mark.parametrize("name", [n for n in OF_CLOUDS if not n.startswith("few-shot")])
def test_protocol__keeps_the_prediction_of_every_test_cloud(name: str) -> None:
    world, _, scores = _measured(name)
    for score in scores:
        for r in score.repeats:
            right = np.array(r.predictions) == world.splits.test_labels
            assert (len(right), right.mean()) == (30, pytest.approx(r.accuracy))


@pytest.mark.parametrize("name", ["fractions-svm", "fractions-svm-standardised", "fractions-finetune"])
def test_fractions__say_how_many_clouds_were_learned_from(name: str) -> None:
    scores = _measured(name)[2]
    assert {(s.protocol, s.n_train) for s in scores} == {(f"{name} 10%", 12), (f"{name} 100%", 120)}
    # All of the labels is one subset, however often it is drawn.
    assert {(s.protocol, len(s.repeats)) for s in scores} == {(f"{name} 10%", 2), (f"{name} 100%", 1)}


@pytest.mark.parametrize("name", [n for n in PROTOCOLS if n.startswith(("svm", "linear", "knn", "fractions-svm"))])
def test_protocol__every_arm_is_scored_on_its_own_features(name: str) -> None:
    # The second arm's features have the other sign: told apart by its own, mistaken by those of the first.
    world = context(
        placed([(20, 0)], "planted/train"),
        placed([(10, 0)], "planted/test"),
        arms={"pretrained": lambda _: Mean(), "untrained": lambda _: Mean(-1.0)},
        fractions=(1.0,),
    )
    scores = [score for score in PROTOCOLS[name].run(world) if isinstance(score, Score)]
    assert [[r.accuracy for r in score.repeats] for score in scores] == [[1.0], [1.0]]


# Clouds of three classes that overlap: every constant of a rule moves some prediction. `scale` is that of the features.
def _overlapping(each: int, seed: int, scale: float, places: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), (each, each // 2, each // 3))  # unequal classes, so that C moves the borders
    rows = places * np.eye(3)[labels] + generator.normal(size=(len(labels), 3)) * (1.0, 2.0, 0.5) + 0.5
    return (scale * rows).astype(np.float32), labels


def _vote(train: np.ndarray, labels: np.ndarray, test: np.ndarray, k: int, temperature: float) -> np.ndarray:
    """Neighbours by hand, one test cloud after the other."""
    predictions = []
    for row in test.astype(np.float64):
        cosine = [row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in train.astype(np.float64)]
        near = sorted(range(len(train)), key=lambda i: (-cosine[i], i))[:k]
        votes = [sum(np.exp(cosine[i] / temperature) for i in near if labels[i] == c) for c in range(3)]
        predictions.append(int(np.argmax(votes)))
    return np.array(predictions)


def _searched(grid: tuple[float, ...], standardise: bool) -> Callable[..., np.ndarray]:
    """Return scikit-learn's own search over C inside our folds."""

    def predict(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        folds = probe.deal(labels, 5, np.random.default_rng(0))
        scaler = StandardScaler() if standardise else StandardScaler(with_mean=False, with_std=False)
        machine = make_pipeline(scaler, SVC(kernel="linear"))
        search = GridSearchCV(machine, {"svc__C": grid}, cv=PredefinedSplit(folds)).fit(train.astype(float), labels)
        predictions: np.ndarray = search.predict(test.astype(float))
        return predictions

    return predict


GRID = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
RULES: dict[str, tuple[float, Callable[..., np.ndarray]]] = {
    "svm-fixed": (4.0, lambda train, y, test: SVC(kernel="linear", C=0.01).fit(train, y).predict(test)),
    "linear-svc": (
        1.0,
        lambda train, y, test: LinearSVC(C=1.0, dual=False, max_iter=10_000).fit(train.astype(float), y).predict(test),
    ),
    "svm-cv": (1.0, _searched(GRID, standardise=False)),
    "svm-cv-wide": (0.01, _searched((*GRID, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4), standardise=False)),
    "svm-cv-standardised": (
        1.0,
        _searched((1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3), standardise=True),
    ),
    "knn-20": (1.0, lambda train, y, test: _vote(train, y, test, 20, 0.07)),
    "knn-1": (1.0, lambda train, y, test: _vote(train, y, test, 1, 0.07)),
}
"""The rules of the page with every constant, by scikit-learn or by hand, and a scale at which they differ."""


def _predicted(name: str, scale: float) -> tuple[np.ndarray, float | None]:
    (train, labels), (test, truth) = _overlapping(60, 0, scale), _overlapping(150, 1, scale)
    world = context(clouds(train, labels, "planted/train"), clouds(test, truth, "planted/test"))
    [seen, _] = PROTOCOLS[name].run(world)
    assert isinstance(seen, Score)
    return np.array(seen.repeats[0].predictions), seen.repeats[0].c


@pytest.mark.parametrize("name", RULES)
def test_rule__is_the_published_one_to_the_last_constant(name: str) -> None:
    scale, rule = RULES[name]
    (train, labels), (test, _) = _overlapping(60, 0, scale), _overlapping(150, 1, scale)
    found, _ = _predicted(name, scale)
    np.testing.assert_array_equal(found, rule(features(train), labels, features(test)))


@pytest.mark.parametrize("name", RULES)
def test_rule__no_other_rule_predicts_the_same(name: str) -> None:
    """The comparison above could not fail where the constants did not matter."""
    scale, rule = RULES[name]
    (train, labels), (test, _) = _overlapping(60, 0, scale), _overlapping(150, 1, scale)
    mine = rule(train, labels, test)
    others: dict[str, Callable[[], Any]] = {
        "C = 0.003": lambda: SVC(kernel="linear", C=0.003).fit(train, labels).predict(test),
        "C = 0.03": lambda: SVC(kernel="linear", C=0.03).fit(train, labels).predict(test),
        "C = 1": lambda: SVC(kernel="linear", C=1.0).fit(train, labels).predict(test),
        "LinearSVC C = 0.1": lambda: LinearSVC(C=0.1, dual=False).fit(train, labels).predict(test),
        "LinearSVC C = 10": lambda: LinearSVC(C=10.0, dual=False).fit(train, labels).predict(test),
        "19 neighbours": lambda: _vote(train, labels, test, 19, 0.07),
        "a temperature of 0.1": lambda: _vote(train, labels, test, 20, 0.1),
        "3 neighbours": lambda: _vote(train, labels, test, 3, 0.07),
    }
    assert [other for other, predict in others.items() if np.array_equal(predict(), mine)] == []


def test_svm_cv_standardised__has_the_grid_of_the_published_tables() -> None:
    assert probe.PROBES["svm-cv-standardised"].grid == (1e-5, 3e-5, 1e-4, 3e-4, *GRID[:6])
    assert probe.PROBES["svm-cv"].grid == GRID


def test_measure__says_which_protocols_c_came_to_the_end_of_its_own_grid() -> None:
    faint: dict[Arm, Callable[[int], Backbone]] = {"pretrained": lambda _: Mean(1e-6), "untrained": lambda _: blind()}
    (train, labels), (test, truth) = _overlapping(30, 0, 1.0), _overlapping(30, 1, 1.0)
    world = context(clouds(train, labels, "planted/train"), clouds(test, truth, "planted/test"), arms=faint)
    notes = suite.measure(world, ("svm-cv-wide", "svm-fixed"), run="here").notes
    assert any(note.startswith("svm-cv-wide, pretrained: C at the end") for note in notes)
    assert not any(note.startswith("svm-fixed") for note in notes)


def _own(context: EvaluationContext) -> list[Score]:
    def nearest_mean(train: np.ndarray, labels: np.ndarray, test: np.ndarray, _: int) -> Fitted:
        means = np.stack([train[labels == c].mean(axis=0) for c in range(3)])
        return Fitted(predictions=np.square(test[:, None] - means).sum(axis=2).argmin(axis=1))

    return on_features("nearest-mean", "mean feature of every class", nearest_mean, context)  # type: ignore[return-value]


OWN = Protocol(
    name="nearest-mean",
    title="Nearest class mean",
    rule="the class whose mean feature is nearest",
    reads="features",
    repeated="seeds",
    run=_own,  # type: ignore[arg-type]
)


def test_own_protocol__is_measured_beside_ours() -> None:
    world, _ = _splits()
    result = suite.measure(world, ("knn-1", OWN), run="here")
    score = result.score("nearest-mean", "pretrained")
    assert score is not None
    assert score.accuracy.mean == pytest.approx(0.4)
    assert result.protocols() == ("knn-1", "nearest-mean")


def test_own_protocol__needs_a_name_of_its_own() -> None:
    with pytest.raises(SettingError, match="two protocols are called 'svm-cv'"):
        chosen((replace(OWN, name="svm-cv"),))
    with pytest.raises(SettingError, match="two protocols are called 'nearest-mean'"):
        chosen((OWN, replace(OWN, title="another")))
    with pytest.raises(ValueError, match="name must be one word"):
        replace(OWN, name="nearest mean")
    assert chosen((OWN, "knn-1", OWN, "knn-1")) == (OWN, PROTOCOLS["knn-1"])


def test_title__of_a_row() -> None:
    assert title("few-shot-a 5-way 10-shot") == "Few-shot, frozen, 5-way 10-shot"
    assert title("fractions-svm 10%") == "Linear SVM on 10 % of the labels"
    assert title("nearest-mean") == "nearest-mean"
    assert title(DEFAULT[0]) == "Linear SVM, C by cross-validation"
    assert len({p.title for p in PROTOCOLS.values()}) == len(PROTOCOLS)
