"""Protocols that fine-tune: every number is an ordinary supervised run, as `pointssl train --init-from` makes it.

    RUN/evaluation/runs/<protocol>-<arm>-<seed>-<hash>/    the hash is of all that decides the run

The untrained arm is training from scratch, by the same recipe, order, points and head. A run that was stopped is
resumed; of a finished one settings, record, metrics and scores are kept, its weights are not.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from pointssl.data.cloud import Dataset
from pointssl.data.splits import Subset, class_name
from pointssl.errors import DataError, Interrupted
from pointssl.evaluation import few_shot
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.record import Arm, Predicted, Repeat, Results, Skipped, score
from pointssl.runs import layout
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.run import Run
from pointssl.runs.scores import Scores
from pointssl.runs.weights import digest
from pointssl.train import classifier
from pointssl.train.labels import LabelConfig, divide, fit_batch
from pointssl.train.supervised import train_supervised
from pointssl.train.tasks import task_of

T = TypeVar("T")


def finetune(context: EvaluationContext) -> Results:
    """All labels, once per seed."""
    pair, recipe = (context.splits.train, context.splits.test), context.finetune
    results: Results = []
    for arm in context.arms:
        scores = [_scores(context, "finetune", arm, seed, pair, LabelConfig(), recipe, seed) for seed in context.seeds]
        repeats = [_repeat(seed, one) for seed, one in zip(context.seeds, scores, strict=True)]
        first = scores[0]
        results.append(score("finetune", arm, rule(recipe), "seeds", first.learned_from, first.clouds, repeats))
    return results


def fractions_finetune(context: EvaluationContext) -> Results:
    """The subsets of the labels that `fractions-svm` uses, once per subset."""
    pair, recipe = (context.splits.train, context.splits.test), context.finetune
    results: Results = []
    for fraction in context.fractions:
        name, seeds = f"fractions-finetune {fraction:.0%}", context.subset_seeds(fraction)
        for arm in context.arms:
            few = [LabelConfig(label_fraction=fraction, label_seed=seed) for seed in seeds]
            scores = [_scores(context, name, arm, one.label_seed, pair, one, recipe, one.label_seed) for one in few]
            repeats = [_repeat(seed, one) for seed, one in zip(seeds, scores, strict=True)]
            first = scores[0]
            results.append(score(name, arm, rule(recipe), "subsets", first.learned_from, first.clouds, repeats))
    return results


def few_shot_b(context: EvaluationContext) -> Results:
    """Support from the training split, queries from the test split, the same episodes for both arms."""
    splits, config, recipe = context.splits, context.few_shot, context.few_shot_finetune
    truth = splits.train_labels, splits.test_labels
    results: Results = []
    for way in config.ways:
        for shot in config.shots:
            name = f"few-shot-b {way}-way {shot}-shot"
            try:
                episodes = few_shot.episodes(*truth, way, shot, config)
            except DataError as error:
                results.append(Skipped(protocol=name, reason=str(error)))
                continue
            small = few_shot.left_out(*truth, shot, config.queries, splits.train.classes)
            for arm in context.arms:
                repeats = []
                for fold, episode in enumerate(episodes):
                    seed = context.seeds[fold % len(context.seeds)]
                    pair = _episode(context, episode, f"{name}, fold {fold}")
                    made = _scores(context, name, arm, seed, pair, LabelConfig(), recipe, fold)
                    # Every fold has queries of its own: there is no list of test clouds to predict.
                    repeats.append(replace(_repeat(fold, made), predictions=Predicted(())))
                said = f"protocol B: {rule(recipe)}{small}"
                results.append(score(name, arm, said, "episodes", way * shot, way * config.queries, repeats))
    return results


def rule(recipe: PretrainConfig) -> str:
    """Return a recipe in words."""
    o, epochs = recipe.optim, f"{recipe.epochs:g} epochs" if recipe.steps is None else f"{recipe.steps} steps"
    warmup = f", warm-up {o.warmup_epochs:g} epochs" if o.warmup_epochs else ""
    clip = f", clip {o.clip:g}" if o.clip is not None else ""
    smoothing = getattr(recipe.method, "label_smoothing", 0.0)
    return (
        f"fine-tuned, last of {epochs}, {o.kind} {o.lr:g}, decay {o.weight_decay:g}, {o.schedule}{warmup}{clip}, "
        f"batch {recipe.data.batch_size}, label smoothing {smoothing:g}"
    )


def settings(context: EvaluationContext, recipe: PretrainConfig, learned_from: int, seed: int) -> PretrainConfig:
    """Return the recipe with clouds read as everywhere in this evaluation, and the seed; the encoder is the arm's."""
    config = replace(
        recipe,
        data=replace(recipe.data, reading=context.encode.reading),
        seed=seed,
        precision="bf16" if context.encode.bf16 else recipe.precision,
    )
    return fit_batch(config, learned_from)


def _scores(
    context: EvaluationContext,
    name: str,
    arm: Arm,
    encoder_seed: int,
    pair: tuple[Dataset, Dataset],
    labels: LabelConfig,
    recipe: PretrainConfig,
    seed: int,
) -> Scores:
    """Return the scores of one classifier."""
    return scores_of(context, name, arm, encoder_seed, pair, labels, recipe, seed, Run.scores)


def scores_of(
    context: EvaluationContext,
    name: str,
    arm: Arm,
    encoder_seed: int,
    pair: tuple[Dataset, Dataset],
    labels: LabelConfig,
    recipe: PretrainConfig,
    seed: int,
    read: Callable[[Run], T],
) -> T:
    """Return what `read` finds in one run, trained unless it was finished before; resumed where it was begun."""
    encoder = context.arms[arm](encoder_seed)
    task = task_of(recipe)
    size = len(divide(pair, labels, classes=task is classifier.TASK).train)
    config = settings(context, recipe, size, seed)
    decides = [
        to_json(replace(config, data=replace(config.data, source="", workers=0))),
        asdict(labels),
        [part.fingerprint for part in pair],
        digest(encoder),
        context.score_epochs,
    ]
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:10]
    with _folder(context.cache) as folder:
        run = folder / f"{name.replace(' ', '-').replace('%', '')}-{arm}-{seed}-{key}"
        try:
            train_supervised(
                task,
                config,
                run,
                data=pair,
                labels=labels,
                backbone=encoder,
                score_epochs=context.score_epochs,
                resume=layout.is_begun(run),
                device=context.encode.device,
            )
        except Interrupted as error:
            stopped = str(error).split(",")[0]
            raise Interrupted(f"{stopped}; the same `pointssl evaluate` command goes on from there") from error
        # Tens of runs of tens of megabytes, which nobody reads again.
        for weights in (layout.CHECKPOINTS, layout.ENCODER):
            shutil.rmtree(run / weights, ignore_errors=True)
        return read(Run.open(run))


@contextmanager
def _folder(cache: Path | None) -> Iterator[Path]:
    """Yield the folder that runs are made in; without a cache one that is gone afterwards."""
    if cache is not None:
        yield cache / "runs"
        return
    with TemporaryDirectory(prefix="pointssl-") as folder:
        yield Path(folder)


def _repeat(seed: int, scores: Scores) -> Repeat:
    return Repeat(
        seed=seed,
        accuracy=scores.accuracy,
        class_accuracy=scores.class_accuracy,
        best_accuracy=scores.best_accuracy,
        best_epoch=scores.best_epoch,
        predictions=Predicted(tuple(scores.predictions)),
    )


def _episode(context: EvaluationContext, episode: few_shot.Episode, name: str) -> tuple[Dataset, Dataset]:
    """Return the support and the queries of an episode as data sets with its classes."""
    train, test = context.splits.train, context.splits.test
    classes = tuple(class_name(train.classes, int(label)) for label in episode.classes)
    support = Subset(train, episode.support, f"{train.name} ({name})", labels=episode.support_class, classes=classes)
    query = Subset(test, episode.query, f"{test.name} ({name})", labels=episode.query_class, classes=classes)
    return support, query
