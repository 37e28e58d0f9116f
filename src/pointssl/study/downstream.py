"""What a frozen encoder is worth on clouds that it was not trained for: nearest neighbour, linear SVM, few shots.

Each probe gives right or wrong per test cloud (few shots: the share of right queries per episode), so that two encoders
are compared on the same clouds and episodes. The feature is the encoder's pooled one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from pointssl.data.cloud import Dataset
from pointssl.data.splits import required_labels
from pointssl.evaluation import few_shot, knn, probe
from pointssl.evaluation.features import EncodeConfig, encode_cached
from pointssl.ops.evidence import seed_interval
from pointssl.ops.stats import resampled_means
from pointssl.runs.run import load
from pointssl.study.result import Transfer

SVM = probe.PROBES["svm-cv-standardised"]
"""Standardised: fine-tuned encoders of different arms have features of different scales."""

Correctness = Float64[np.ndarray, " t"]
"""Right (1) or wrong per test cloud, or the share of right queries per episode."""
Elsewhere = dict[tuple[str, str], dict[str, list[Correctness]]]
"""By protocol and probe, and by arm: a list over seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """The few-shot probe."""

    ways: int = 5
    """Classes per episode, or all where there are fewer."""
    shots: int = 10
    """Clouds per class to learn from; half of the smallest class, where that is less."""
    episodes: int = 20
    """Draws of classes and clouds."""

    def __post_init__(self) -> None:
        for name, least in (("ways", 2), ("shots", 1), ("episodes", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


def evaluate_frozen(
    run: Path, pair: tuple[Dataset, Dataset], config: EncodeConfig, cache: Path, shots: Shots | None, *, seed: int
) -> dict[str, Correctness]:
    """Return for every probe what the frozen encoder of `run` gets right on the second data set.

    Args:
        run: a trained classifier.
        pair: clouds to learn from, and clouds to be scored on.
        config: how clouds are encoded.
        cache: folder for features.
        shots: the few-shot probe, drawn from the first data set; left out without.
        seed: decides points, folds and episodes.
    """
    encoder = load(run)
    known, asked = (encode_cached(encoder, part, config, cache, seed=seed, title="features") for part in pair)
    labels, truth = (required_labels(part) for part in pair)
    nearest = knn.predict(known, labels, asked, k=1)
    predicted = probe.fit_predict(known, labels, asked, SVM, seed=seed).predictions
    found: dict[str, Correctness] = {
        "linear SVM": (predicted == truth).astype(np.float64),
        "1-NN": (nearest == truth).astype(np.float64),
    }
    if shots is not None:
        counts = np.bincount(labels)
        smallest = int(counts[counts > 0].min())
        ways, shot = min(shots.ways, int((counts > 0).sum())), max(1, min(shots.shots, smallest // 2))
        query = max(1, min(20, smallest - shot))
        drawn = [few_shot.draw(labels, None, ways, shot, query, seed=1000 * seed + k) for k in range(shots.episodes)]
        accuracy = np.array([few_shot.frozen_accuracy(known, one) for one in drawn])
        found[f"{ways}-way {shot}-shot"] = accuracy
    return found


def transfer_differences(name: str, elsewhere: Elsewhere, less: str) -> list[Transfer]:
    """Return one arm less another under every protocol and probe."""
    made: list[Transfer] = []
    for (protocol, asked), right in elsewhere.items():
        # Every seed has draws of its own: in protocol A its test clouds are other ones.
        own = np.random.SeedSequence(len(made)).generate_state(len(right[name]))
        shift = 0 if protocol.startswith("B") else 1
        gap = np.stack(
            [
                resampled_means(a - b, int(own[place * shift]))
                for place, (a, b) in enumerate(zip(right[name], right[less], strict=True))
            ]
        )
        made.append(
            Transfer(
                protocol=protocol,
                probe=asked,
                name=name,
                less=less,
                accuracy=float(np.mean([one.mean() for one in right[name]])),
                accuracy_less=float(np.mean([one.mean() for one in right[less]])),
                difference=seed_interval(gap),
            )
        )
    return made
