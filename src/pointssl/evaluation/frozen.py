"""Protocols on frozen features: linear probes and neighbours, with all labels, with few, and few-shot protocol A."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int64

from pointssl.errors import DataError
from pointssl.evaluation import few_shot, knn, probe
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.features import Table
from pointssl.evaluation.probe import Fitted
from pointssl.evaluation.record import Repeat, Results, Skipped, repeat, score
from pointssl.train.labels import label_subset

Labels = Int64[np.ndarray, " m"]
TestTable = Float32[np.ndarray, "t d"]
Predict = Callable[[Table, Labels, TestTable, int], Fitted]
"""From training features, their labels, test features and a seed to the class of every test cloud."""


def on_features(name: str, rule: str, predict: Predict, context: EvaluationContext) -> Results:
    """Learn from the features of all training clouds, predict the test clouds, once per seed."""
    labels, truth = context.splits.train_labels, context.splits.test_labels
    results: Results = []
    for arm in context.arms:
        repeats = []
        for seed in context.seeds:
            train, test = (context.features(arm, seed, part) for part in ("train", "test"))
            fitted = predict(train, labels, test, seed)
            repeats.append(repeat(seed, fitted.predictions, truth, c=fitted.c))
        results.append(score(name, arm, rule, "seeds", len(labels), len(truth), repeats))
    return results


def svm(name: str, context: EvaluationContext) -> Results:
    """Linear probe of that name."""
    config = probe.PROBES[name]

    def predict(train: Table, labels: Labels, test: TestTable, seed: int) -> Fitted:
        return probe.fit_predict(train, labels, test, config, seed=seed)

    return on_features(name, config.rule, predict, context)


def neighbours(name: str, k: int, context: EvaluationContext) -> Results:
    """Vote of the k nearest training clouds."""

    def predict(train: Table, labels: Labels, test: TestTable, _: int) -> Fitted:
        return Fitted(predictions=knn.predict(train, labels, test, k=k))

    weights = f", weights exp(cosine / {knn.TEMPERATURE})" if k > 1 else ""
    return on_features(name, f"kNN, cosine, k = {k}{weights}", predict, context)


def fractions_svm(protocol: str, svm: str, context: EvaluationContext) -> Results:
    """Linear probe `svm` on the same subsets of the labels for both arms."""
    config, labels, truth = probe.PROBES[svm], context.splits.train_labels, context.splits.test_labels
    results: Results = []
    for fraction in context.fractions:
        for arm in context.arms:
            repeats, size = [], 0
            for subset in context.subset_seeds(fraction):
                chosen = label_subset(labels, fraction, subset)
                seed = context.seeds[subset % len(context.seeds)]
                train, test = context.features(arm, seed, "train")[chosen], context.features(arm, seed, "test")
                fitted = probe.fit_predict(train, labels[chosen], test, config, seed=subset)
                repeats.append(repeat(subset, fitted.predictions, truth, c=fitted.c))
                size = len(chosen)
            name = f"{protocol} {fraction:.0%}"
            results.append(score(name, arm, config.rule, "subsets", size, len(truth), repeats))
    return results


def few_shot_a(context: EvaluationContext) -> Results:
    """Support and queries from the training split, disjoint; the same episodes for both arms."""
    labels, config = context.splits.train_labels, context.few_shot
    points = None if config.points is None else _stored(context, config.points)
    results: Results = []
    for way in config.ways:
        for shot in config.shots:
            name = f"few-shot-a {way}-way {shot}-shot"
            try:
                episodes = few_shot.episodes(labels, None, way, shot, config)
            except DataError as error:
                results.append(Skipped(protocol=name, reason=str(error)))
                continue
            small = few_shot.left_out(labels, None, shot, config.queries, context.splits.train.classes)
            read = f"{points or context.encode.reading.points} points"
            rule = f"protocol A: frozen, {read}, standardised on the support, SVC C = {few_shot.C:g}{small}"
            for arm in context.arms:
                repeats = []
                for number, episode in enumerate(episodes):
                    # All stored points are read, so seeds matter to untrained weights alone.
                    seed = context.seeds[0 if arm == "pretrained" else number % len(context.seeds)]
                    rows = context.features(arm, seed, "train", points)
                    repeats.append(Repeat(seed=number, accuracy=few_shot.frozen_accuracy(rows, episode)))
                results.append(score(name, arm, rule, "episodes", way * shot, way * config.queries, repeats))
    return results


def _stored(context: EvaluationContext, wanted: int) -> int:
    """Return `wanted` points, or as many as the smallest training cloud has."""
    train = context.splits.train
    return min(wanted, *(len(train.xyz(i)) for i in range(len(train))))


def smallest_cloud(context: EvaluationContext) -> int:
    """Return how many points the smallest cloud of both parts has."""
    parts = (context.splits.train, context.splits.test)
    return min(len(part.xyz(i)) for part in parts for i in range(len(part)))
