"""The linear probe on damaged test clouds: learned from clean ones, scored on seven kinds of damage, five strengths.

Corruption is a function of (seed, kind, strength, cloud), so both arms and all runs see the same clouds. They are
centred and scaled again afterwards where the evaluation does so, as any clouds that come in are.
"""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pointssl.data.augment import recentred
from pointssl.evaluation import probe
from pointssl.evaluation.context import EvaluationContext
from pointssl.evaluation.corruptions import STRENGTHS, corrupt
from pointssl.evaluation.features import encode
from pointssl.evaluation.record import Repeat, Results, repeat, score

NAME = "robustness"
CLEAN = "clean"


def rows() -> list[tuple[str, int]]:
    """Return every kind and strength, after the clean clouds (strength 0)."""
    return [
        (CLEAN, 0),
        *((kind, strength) for kind, sizes in STRENGTHS.items() for strength in range(1, len(sizes) + 1)),
    ]


def robustness(context: EvaluationContext) -> Results:
    """Probe `svm-cv` once per arm and seed, its predictions for every corrupted form of the test clouds."""
    config, labels, truth = probe.PROBES["svm-cv"], context.splits.train_labels, context.splits.test_labels
    results: Results = []
    for arm in context.arms:
        repeats: dict[tuple[str, int], list[Repeat]] = {row: [] for row in rows()}
        for seed in context.seeds:
            network, train = context.arms[arm](seed), context.features(arm, seed, "train")
            tests = [context.features(arm, seed, "test")]
            for kind, strength in rows()[1:]:
                change = partial(
                    damaged, kind=kind, strength=strength, seed=seed, again=context.encode.reading.normalise
                )
                title = f"{arm} features, {kind} {strength}, seed {seed}"
                network = context.arms[arm](seed)
                tests.append(
                    encode(network, context.splits.test, context.encode, seed=seed, title=title, change=change)
                )
            fitted = probe.fit_predict(train, labels, np.concatenate(tests), config, seed=seed)
            said = fitted.predictions.reshape(len(tests), len(truth))
            for row, predictions in zip(rows(), said, strict=True):
                repeats[row].append(repeat(seed, predictions, truth, c=fitted.c))
        for kind, strength in rows():
            name = f"{NAME} {kind}" + (f" {strength}" if strength else "")
            damage = f"{kind}, {STRENGTHS[kind][strength - 1]:g}" if strength else "clean test clouds"
            rule = f"{config.rule}, learned from clean clouds; {damage}"
            results.append(score(name, arm, rule, "seeds", len(labels), len(truth), repeats[kind, strength]))
    return results


def damaged(
    xyz: Float[Tensor, "b n 3"], index: Int64[np.ndarray, " b"], *, kind: str, strength: int, seed: int, again: bool
) -> Float[Tensor, "b n 3"]:
    """Return corrupted copies of clouds, each by its own place in the data set; `again` centres and scales them."""
    number = list(STRENGTHS).index(kind)
    made = [
        corrupt(cloud, kind, strength, np.random.default_rng((seed, number, strength, int(i))))
        for cloud, i in zip(xyz.cpu().numpy(), index, strict=True)
    ]
    corrupted = torch.from_numpy(np.stack(made)).to(xyz.device)
    return recentred(corrupted) if again else corrupted
