"""All protocols by name: each measures both arms on the same clouds with the same seeds."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pointssl.errors import DataError
from pointssl.evaluate import few_shot, fractions, knn, probe
from pointssl.evaluate.bench import Bench
from pointssl.evaluate.finetune import Finetuned, Labelled, finetune_cached
from pointssl.evaluate.probe import WIDE_GRID, SVMConfig
from pointssl.evaluate.recipes import FinetuneConfig
from pointssl.evaluate.record import Arm, Repeat, Score, Skipped, repeat, score

Results = list[Score | Skipped]


def svm(name: str, config: SVMConfig, bench: Bench) -> Results:
    """Linear probe on all training clouds, once per seed."""
    labels, truth = bench.splits.train_labels, bench.splits.test_labels
    results: Results = []
    for arm in bench.arms:
        repeats = []
        for seed in bench.seeds:
            train, test = (bench.features(arm, seed, part) for part in ("train", "test"))
            fitted = probe.fit_predict(train, labels, test, config, seed=seed)
            repeats.append(repeat(seed, fitted.predictions, truth, c=fitted.c))
        results.append(score(name, arm, config.rule, "seeds", len(labels), len(truth), repeats))
    return results


def nearest(name: str, k: int, bench: Bench) -> Results:
    """Vote of the nearest training clouds, once per seed."""
    labels, truth = bench.splits.train_labels, bench.splits.test_labels
    rule = f"kNN, cosine, k = {k}" + (f", weights exp(cosine / {knn.TEMPERATURE})" if k > 1 else "")
    results: Results = []
    for arm in bench.arms:
        repeats = []
        for seed in bench.seeds:
            train, test = (bench.features(arm, seed, part) for part in ("train", "test"))
            repeats.append(repeat(seed, knn.predict(train, labels, test, k=k), truth))
        results.append(score(name, arm, rule, "seeds", len(labels), len(truth), repeats))
    return results


def fractions_svm(bench: Bench) -> Results:
    """Linear probe, C by cross-validation, on the same subsets of the labels for both arms."""
    config, labels, truth = SVMConfig(), bench.splits.train_labels, bench.splits.test_labels
    results: Results = []
    for fraction in bench.fractions:
        for arm in bench.arms:
            repeats, size = [], 0
            for subset in fractions.subset_seeds(fraction, bench.subsets):
                kept = fractions.subset(labels, fraction, subset)
                seed = bench.seeds[subset % len(bench.seeds)]
                train, test = bench.features(arm, seed, "train")[kept], bench.features(arm, seed, "test")
                fitted = probe.fit_predict(train, labels[kept], test, config, seed=subset)
                repeats.append(repeat(subset, fitted.predictions, truth, c=fitted.c))
                size = len(kept)
            name = f"fractions-svm {fraction:.0%}"
            results.append(score(name, arm, config.rule, "subsets", size, len(truth), repeats))
    return results


def finetune(bench: Bench) -> Results:
    """Fine-tuned classification with all labels, once per seed; the untrained arm is training from scratch."""
    train, test = _everything(bench)
    results: Results = []
    for arm in bench.arms:
        repeats = [_tuned(bench, arm, train, test, seed, f"finetune, {arm}, seed {seed}") for seed in bench.seeds]
        rule = _rule(bench.finetune)
        results.append(score("finetune", arm, rule, "seeds", len(train.index), len(test.index), repeats))
    return results


def fractions_finetune(bench: Bench) -> Results:
    """Fine-tuned classification on the subsets of the labels that `fractions_svm` uses."""
    train, test = _everything(bench)
    results: Results = []
    for fraction in bench.fractions:
        for arm in bench.arms:
            repeats, size = [], 0
            for subset in fractions.subset_seeds(fraction, bench.subsets):
                kept = fractions.subset(train.label, fraction, subset)
                part = Labelled(train.dataset, train.index[kept], train.label[kept])
                title = f"fine-tuning, {fraction:.0%} of the labels, {arm}, subset {subset}"
                repeats.append(_tuned(bench, arm, part, test, subset, title))
                size = len(kept)
            name = f"fractions-finetune {fraction:.0%}"
            results.append(score(name, arm, _rule(bench.finetune), "subsets", size, len(test.index), repeats))
    return results


def few_shot_a(bench: Bench) -> Results:
    """Protocol A: frozen features, support and queries from the training split."""
    labels, config = bench.splits.train_labels, bench.few_shot
    points = None if config.points is None else _stored(bench, config.points)
    results: Results = []
    for way in config.ways:
        for shot in config.shots:
            name = f"few-shot-a {way}-way {shot}-shot"
            try:
                episodes = [
                    few_shot.draw(labels, None, way, shot, config.queries, seed=e) for e in range(config.episodes)
                ]
            except DataError as error:
                results.append(Skipped(protocol=name, reason=str(error)))
                continue
            small = few_shot.left_out(labels, None, shot, config.queries, bench.splits.train.classes)
            seen = f"{points or bench.reading.points} points"
            rule = f"protocol A: frozen, {seen}, standardised on the support, SVC C = 1{small}"
            for arm in bench.arms:
                repeats = []
                for number, episode in enumerate(episodes):
                    # All stored points are seen, so seeds matter to untrained weights alone.
                    seed = bench.seeds[0 if arm == "pretrained" else number % len(bench.seeds)]
                    rows = bench.features(arm, seed, "train", points)
                    repeats.append(Repeat(seed=number, accuracy=few_shot.frozen_accuracy(rows, episode)))
                results.append(score(name, arm, rule, "episodes", way * shot, way * config.queries, repeats))
    return results


def few_shot_b(bench: Bench) -> Results:
    """Protocol B: the whole network is fine-tuned, queries from the test split, fixed folds."""
    splits, config = bench.splits, bench.few_shot
    results: Results = []
    for way in config.ways:
        for shot in config.shots:
            name = f"few-shot-b {way}-way {shot}-shot"
            try:
                episodes = [
                    few_shot.draw(splits.train_labels, splits.test_labels, way, shot, config.queries, seed=e)
                    for e in range(config.episodes)
                ]
            except DataError as error:
                results.append(Skipped(protocol=name, reason=str(error)))
                continue
            truth = splits.train_labels, splits.test_labels
            small = few_shot.left_out(*truth, shot, config.queries, splits.train.classes)
            for arm in bench.arms:
                repeats = []
                for fold, episode in enumerate(episodes):
                    tuned = finetune_cached(
                        bench.arms[arm](bench.seeds[fold % len(bench.seeds)]),
                        Labelled(splits.train, episode.support, episode.support_class),
                        Labelled(splits.test, episode.query, episode.query_class),
                        way,
                        bench.few_shot_finetune,
                        bench.reading,
                        _folder(bench),
                        seed=fold,
                        title=f"{name}, {arm}, fold {fold}",
                    )
                    repeats.append(
                        Repeat(seed=fold, accuracy=tuned.last, best_accuracy=tuned.best, best_epoch=tuned.best_epoch)
                    )
                rule = f"protocol B: {_rule(bench.few_shot_finetune)}{small}"
                results.append(score(name, arm, rule, "episodes", way * shot, way * config.queries, repeats))
    return results


PROTOCOLS: dict[str, Callable[[Bench], Results]] = {
    "svm-fixed": partial(svm, "svm-fixed", SVMConfig(c=0.01)),
    "svm-cv": partial(svm, "svm-cv", SVMConfig()),
    "svm-cv-standardised": partial(svm, "svm-cv-standardised", SVMConfig(standardise=True)),
    "svm-cv-wide": partial(svm, "svm-cv-wide", SVMConfig(grid=WIDE_GRID)),
    "linear-svc": partial(svm, "linear-svc", SVMConfig(c=1.0, strategy="one-vs-rest")),
    "knn-20": partial(nearest, "knn-20", 20),
    "knn-1": partial(nearest, "knn-1", 1),
    "fractions-svm": fractions_svm,
    "fractions-finetune": fractions_finetune,
    "few-shot-a": few_shot_a,
    "few-shot-b": few_shot_b,
    "finetune": finetune,
}
"""Name to protocol. `svm-cv` is the headline; `linear-svc` is the rule of FoldingNet's and IAE's public evaluations."""


def _everything(bench: Bench) -> tuple[Labelled, Labelled]:
    splits = bench.splits
    return (
        Labelled(splits.train, np.arange(len(splits.train)), splits.train_labels),
        Labelled(splits.test, np.arange(len(splits.test)), splits.test_labels),
    )


def _tuned(bench: Bench, arm: Arm, train: Labelled, test: Labelled, seed: int, title: str) -> Repeat:
    """Fine-tune one arm with one seed."""
    backbone = bench.arms[arm](seed)
    classes = 1 + int(max(train.label.max(), test.label.max()))
    tuned: Finetuned = finetune_cached(
        backbone, train, test, classes, bench.finetune, bench.reading, _folder(bench), seed=seed, title=title
    )
    found = repeat(seed, np.array(tuned.predictions), test.label)
    return Repeat(
        seed=seed,
        accuracy=tuned.last,
        class_accuracy=found.class_accuracy,
        best_accuracy=tuned.best,
        best_epoch=tuned.best_epoch,
        predictions=found.predictions,
    )


def _folder(bench: Bench) -> Path | None:
    return None if bench.cache is None else bench.cache / "finetune"


def _rule(config: FinetuneConfig) -> str:
    o = config.optim
    return (
        f"fine-tuned, last of {config.epochs} epochs, {o.kind} {o.lr:g}, decay {o.weight_decay:g}, {o.schedule}, "
        f"batch {config.batch_size}, label smoothing {config.label_smoothing:g}"
    )


def _stored(bench: Bench, wanted: int) -> int:
    """Return `wanted` points, or as many as the smallest training cloud has."""
    train = bench.splits.train
    return min(wanted, *(len(train.xyz(i)) for i in range(len(train))))
