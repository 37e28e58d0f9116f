"""Protocols on the parts of points: a linear probe on frozen point features, and fine-tuning, both scored by shape.

The feature of a point is what a segmentation head would get: the point's own, then the pooled one of its cloud. The
score of a row is ShapeNetPart's instance mean intersection over union, with the class mean beside it.
"""

import warnings

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pointssl import progress
from pointssl.backbones.base import Backbone
from pointssl.data.point_labels import labelled_splits
from pointssl.data.splits import Splits
from pointssl.errors import RunError
from pointssl.evaluation import fine_tuning
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.features import EncodeConfig
from pointssl.evaluation.record import Repeat, Results, score
from pointssl.methods import SegmentConfig
from pointssl.ops import segmentation
from pointssl.runs.device import choose_device
from pointssl.runs.run import Run
from pointssl.train.labels import LabelConfig
from pointssl.train.recipes import TRAIN_RECIPES

NAME = "part-segmentation"
FRACTIONS = (0.01, 0.1, 1.0)
"""Parts of the points of every training cloud whose labels are known."""
MOST_POINTS = 10_000
"""Labelled points that a probe is fitted to at most, drawn evenly."""
ITERATIONS = 200

RULE = (
    "logistic regression, C = 1, on the standardised feature of the point beside the pooled one of its cloud, at most "
    f"{MOST_POINTS:,} labelled points; the most likely part among those of the cloud's class"
)


def probe(context: EvaluationContext) -> Results:
    """Linear probe with a hundredth, a tenth and all of the labels, once per seed."""
    results: Results = []
    for fraction in FRACTIONS:
        for arm in context.arms:
            repeats = []
            for seed in context.seeds:
                splits, parts = labelled_splits(context.splits, fraction=fraction, seed=seed)
                title = f"{arm}, {fraction:.0%} of the labels, seed {seed}"
                shapes = _probed(context.arms[arm](seed), splits, parts.allowed, context.encode, seed, title)
                repeats.append(_repeat(seed, shapes, splits))
            name, rule = f"{NAME} linear {fraction:.0%}", f"{RULE}; {fraction:.0%} of the labels of every cloud"
            results.append(score(name, arm, rule, "seeds", len(context.splits.train), len(splits.test), repeats))
    return results


def finetune(context: EvaluationContext) -> Results:
    """The whole network and a fresh head, all labels, once per seed."""
    recipe, pair = TRAIN_RECIPES["segment-pointnet"], (context.splits.train, context.splits.test)
    if isinstance(context.finetune.method, SegmentConfig):
        recipe = context.finetune
    results: Results = []
    for arm in context.arms:
        repeats = []
        for seed in context.seeds:
            found = fine_tuning.scores_of(
                context, f"{NAME}-finetune", arm, seed, pair, LabelConfig(), recipe, seed, Run.point_scores
            )
            shapes = np.array(found.per_cloud, dtype=np.float64)
            repeats.append(_repeat(seed, shapes, context.splits))
        rule = f"{fine_tuning.rule(recipe)}; the head is told the class of the cloud; every stored point is scored"
        sizes = len(context.splits.train), len(context.splits.test)
        results.append(score(f"{NAME}-finetune", arm, rule, "seeds", *sizes, repeats))
    return results


@torch.no_grad()
def point_features(
    backbone: Backbone, splits: Splits, part: str, config: EncodeConfig, seed: int, title: str
) -> tuple[Float32[np.ndarray, "m n d"], Int64[np.ndarray, "m n"]]:
    """Return the features of the points of every cloud of one half, and their labels; points are drawn by `seed`.

    Raises `RunError` where they are not finite.
    """
    dataset = splits.train if part == "train" else splits.test
    device, was_training = choose_device(config.device), backbone.training
    backbone.to(device).eval()
    rows, labels = [], []
    try:
        with progress.bar(f"{title}, {part}", len(dataset)) as line, config.autocast():
            for start in range(0, len(dataset), config.clouds_at_once):
                chosen = np.arange(start, min(start + config.clouds_at_once, len(dataset)))
                batch = config.reading.batch(dataset, chosen, seed=seed)
                assert batch.point_label is not None
                made = backbone(batch.xyz.to(device))
                pooled = made.pooled[:, None].expand(-1, made.points.shape[1], -1)
                rows.append(torch.cat([made.points, pooled], dim=-1).float().cpu().numpy())
                labels.append(batch.point_label.numpy())
                line.advance(len(chosen))
    finally:
        backbone.train(was_training)
    features = np.concatenate(rows)
    if not np.isfinite(features).all():
        raise RunError(f"the encoder's point features are not finite for clouds of {dataset.name}")
    return features, np.concatenate(labels)


def _probed(
    backbone: Backbone, splits: Splits, allowed: Bool[np.ndarray, "c p"], config: EncodeConfig, seed: int, title: str
) -> Float[np.ndarray, " m"]:
    """Return the mean intersection over union of every test cloud."""
    features, labels = point_features(backbone, splits, "train", config, seed, title)
    known = np.argwhere(labels >= 0)
    if len(known) > MOST_POINTS:
        known = known[np.random.default_rng(seed).choice(len(known), MOST_POINTS, replace=False)]
    learned, part = features[known[:, 0], known[:, 1]], labels[known[:, 0], known[:, 1]]
    del features
    scaler = StandardScaler().fit(learned)
    test, truth = point_features(backbone, splits, "test", config, seed, title)
    logits = np.full((*truth.shape, allowed.shape[1]), -1e9, dtype=np.float32)  # a part that was never seen is last
    if len(np.unique(part)) < 2:
        logits[..., part[0]] = 0
    else:
        model = LogisticRegression(C=1.0, max_iter=ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is part of the rule
            model.fit(scaler.transform(learned), part)
        weight, bias = model.coef_.T, model.intercept_
        if len(model.classes_) == 2:  # one column stands for both
            weight, bias = np.concatenate([0 * weight, weight], axis=1), np.array([0.0, bias[0]])
        for row, cloud in enumerate(test):
            logits[row][:, model.classes_] = scaler.transform(cloud) @ weight + bias
    category = splits.test.labels
    shapes = []
    for row in range(len(truth)):
        own = allowed[0 if category is None else int(category[row])]
        predicted = np.where(own, logits[row], -np.inf).argmax(axis=1)
        here = np.unique(truth[row][truth[row] >= 0])  # who has no class has the parts that occur
        shapes.append(
            segmentation.shape_iou(truth[row], predicted, (here if category is None else np.flatnonzero(own)).tolist())
        )
    return np.array(shapes, dtype=np.float32)


def _repeat(seed: int, shapes: Float[np.ndarray, " m"], splits: Splits) -> Repeat:
    """Return one repetition: the mean over shapes stands where an accuracy would, the class mean beside it."""
    category = splits.test.labels
    known = np.isfinite(shapes)
    labels = np.zeros(len(shapes), np.int64) if category is None else category
    instance, by_class = segmentation.instance_and_class_iou(shapes[known].astype(np.float64), labels[known])
    return Repeat(seed=seed, accuracy=instance, class_accuracy=by_class)
