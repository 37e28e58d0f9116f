"""What an evaluation found, as it is kept beside the run: each number with n, seeds, spread, interval and protocol."""

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NewType

import cattrs
import numpy as np
from jaxtyping import Float64, Int64

from pointssl import files
from pointssl.errors import RunError
from pointssl.evaluation.features import hash_of
from pointssl.ops import stats
from pointssl.ops.stats import Estimate

Arm = Literal["pretrained", "untrained"]
Predicted = NewType("Predicted", tuple[int, ...])
"""Class of every test cloud, in the order of the data set; empty where repetitions have other clouds each."""

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One repetition of a protocol."""

    seed: int
    accuracy: float
    """Share of right test clouds; after the last epoch where there is training."""
    class_accuracy: float | None = None
    """Mean over classes of the share of right clouds of the class."""
    c: float | None = None
    """C of the support vector machine."""
    best_accuracy: float | None = None
    """Accuracy after the epoch that was best on the test clouds: optimistic, never the headline."""
    best_epoch: int | None = None
    predictions: Predicted = field(default=Predicted(()), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One protocol's answer for one arm."""

    protocol: str
    arm: Arm
    rule: str
    """The whole protocol in words."""
    over: str
    """What is repeated: seeds, subsets or episodes."""
    n_train: int
    n_test: int
    repeats: tuple[Repeat, ...]
    accuracy: Estimate
    """Mean over the repetitions, their spread and a 95 % t-interval."""
    test_interval: Estimate | None
    """95 % Wilson interval of the mean accuracy over the test clouds; none where repetitions have other clouds each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A protocol that the data cannot serve, and why."""

    protocol: str
    reason: str


Results = list[Score | Skipped]
"""What a protocol returns: a score for every row and arm, or why a row was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What two evaluations must share to be comparable."""

    data: str
    train_fingerprint: str
    test_fingerprint: str
    split: str
    """Where the division into training and test clouds comes from."""
    classes: tuple[str, ...]
    points: int
    seeds: tuple[int, ...]
    bf16: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All scores of one run on one data set."""

    run: str
    weights: str
    """Digest of the encoder."""
    pretraining: str
    """What the encoder was pre-trained on."""
    conditions: Conditions
    test_labels: Predicted = field(repr=False)
    scores: tuple[Score, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def score(self, protocol: str, arm: Arm) -> Score | None:
        """Return the score of an arm under a protocol, or None."""
        return next((s for s in self.scores if (s.protocol, s.arm) == (protocol, arm)), None)

    def protocols(self) -> tuple[str, ...]:
        """Return the protocols that have scores, in the order they were run."""
        return tuple(dict.fromkeys(s.protocol for s in self.scores))


def score(protocol: str, arm: Arm, rule: str, over: str, n_train: int, n_test: int, repeats: list[Repeat]) -> Score:
    """Put repetitions together with their mean and intervals."""
    accuracy = stats.mean_interval([r.accuracy for r in repeats], over=over)
    same_clouds = bool(repeats[0].predictions)
    return Score(
        protocol=protocol,
        arm=arm,
        rule=rule,
        over=over,
        n_train=n_train,
        n_test=n_test,
        repeats=tuple(repeats),
        accuracy=accuracy,
        test_interval=stats.wilson(accuracy.mean, n_test) if same_clouds else None,
    )


def repeat(
    seed: int, said: Int64[np.ndarray, " t"], labels: Int64[np.ndarray, " t"], *, c: float | None = None
) -> Repeat:
    """Return one repetition with its accuracies and its predictions."""
    right = said == labels
    per_class = [float(right[labels == label].mean()) for label in np.unique(labels)]
    return Repeat(
        seed=seed,
        accuracy=float(right.mean()),
        class_accuracy=float(np.mean(per_class)),
        c=c,
        predictions=Predicted(tuple(said.tolist())),
    )


def gain(a: Score, b: Score, labels: tuple[int, ...]) -> Estimate | None:
    """Return how much better `a` is than `b` and whether that is chance; None where they share nothing to pair.

    Scores on the same test clouds are paired cloud by cloud: with one repetition each by McNemar's exact test, with
    several by sign flips of the differences of the mean correctness. Scores over the same episodes are paired so.
    """
    if a.repeats[0].predictions and b.repeats[0].predictions:
        right_a, right_b = correctness(a, labels), correctness(b, labels)
        paired = stats.paired_permutation(right_a, right_b, over="test clouds")
        if len(a.repeats) == len(b.repeats) == 1:
            p = stats.mcnemar(right_a > 0.5, right_b > 0.5)
            return replace(paired, p=p, method=f"McNemar, exact, over {len(labels)} test clouds")
        return paired
    if [r.seed for r in a.repeats] == [r.seed for r in b.repeats] and len(a.repeats) > 1:
        accuracies = [np.array([r.accuracy for r in s.repeats]) for s in (a, b)]
        return stats.paired_permutation(accuracies[0], accuracies[1], over=a.over)
    return None


def correctness(score: Score, labels: tuple[int, ...]) -> Float64[np.ndarray, " t"]:
    """Return for every test cloud the share of repetitions that were right."""
    said = np.array([r.predictions for r in score.repeats])
    return np.asarray((said == np.array(labels)).mean(axis=0), dtype=np.float64)


def path_of(folder: Path, data: str) -> Path:
    """Return where the evaluation on `data` is kept under a run's evaluation folder."""
    with suppress(OSError):  # too long a name
        before = folder / f"{data.replace('/', '-')}.json"  # as it was called before Windows was thought of
        if before.is_file():
            return before
    return folder / f"{files.portable_name(data)}.json"


def save(evaluation: Evaluation, folder: Path) -> Path:
    """Write the evaluation; an older one of other weights, or under other conditions, is kept under another name."""
    path = path_of(folder, evaluation.conditions.data)
    if path.is_file():
        old = load(path)
        if not same_question(old, evaluation):
            key = hash_of(old.weights, old.conditions)[:8]
            path.replace(path.with_name(f"{path.stem}.{key}.json"))
    files.write_json(path, _converter().unstructure(evaluation))
    return path


def load(path: Path) -> Evaluation:
    """Read what `save` wrote; raises `RunError` where it is missing or damaged."""
    try:
        return _converter().structure(json.loads(path.read_bytes().decode("utf-8")), Evaluation)
    except FileNotFoundError as error:
        raise RunError(f"{path} does not exist; run `pointssl evaluate` first") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, cattrs.BaseValidationError) as error:
        raise RunError(f"{path} is damaged or of another version; delete it and evaluate again") from error


def same_question(a: Evaluation, b: Evaluation) -> bool:
    """Tell whether two evaluations are of the same weights on the same data under the same settings."""
    return (a.weights, a.conditions) == (b.weights, b.conditions)


def merge(old: Evaluation, new: Evaluation) -> Evaluation:
    """Return `new` with the scores of `old` for protocols that `new` did not run."""
    fresh = {s.protocol for s in new.scores} | {s.protocol for s in new.skipped}
    return replace(
        new,
        scores=(*(s for s in old.scores if s.protocol not in fresh), *new.scores),
        skipped=(*(s for s in old.skipped if s.protocol not in fresh), *new.skipped),
        notes=tuple(dict.fromkeys((*old.notes, *new.notes))),
    )


def _converter() -> cattrs.Converter:
    """Return a strict converter that writes predictions as one line of numbers instead of a line each."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Predicted, lambda text, _: Predicted(tuple(int(n) for n in text.split())))
    converter.register_unstructure_hook(Predicted, lambda said: " ".join(map(str, said)))
    return converter


def versions() -> dict[str, str]:
    """Return the versions that the numbers came from."""
    from importlib.metadata import version

    names: dict[str, Any] = {name: version(name) for name in ("pointssl", "torch", "numpy", "scikit-learn")}
    return names
