"""A linear support vector machine on frozen features, by a rule for C that never looks at the test clouds.

Source: C.-C. Chang, C.-J. Lin, "LIBSVM: A Library for Support Vector Machines", TIST 2011 (through scikit-learn).
All pairs of inner products are computed once; every C and fold then reads from that matrix. The machines are the same
as with raw features, and much quicker to fit (benchmarks/probe.py).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from pointssl.settings import require_finite

Inputs = Float64[np.ndarray, "_ _"]
"""Rows of features, or of inner products."""

GRID = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
WIDE_GRID = (*GRID, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4)
"""C is measured against the scale of the features, and untrained networks can have features of small scale."""
STANDARDISED_GRID = (1e-5, 3e-5, 1e-4, 3e-4, *GRID[:6])
"""A cloud of d standardised features has a squared length of about d, so the same margin needs about 1 / d of the C."""
LEAST_VALIDATED = 0.5
"""Share of the classes that need two members for C to be chosen by cross-validation; else it is 1."""
GRAM_LIMIT = 12_000
"""With more training clouds than this the matrix of inner products (8 bytes each) is not worth its memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SVMConfig:
    """Settings of the linear probe."""

    c: float | None = None
    """Weight of the errors; None chooses it from `grid` by cross-validation inside the training clouds."""
    grid: tuple[float, ...] = GRID
    """Candidates for C; a tie goes to the smallest."""
    folds: int = 5
    """Parts of the cross-validation, each with its share of every class."""
    standardise: bool = False
    """Give every feature mean 0 and deviation 1, measured on the clouds that are learned from."""
    strategy: Literal["one-vs-one", "one-vs-rest"] = "one-vs-one"
    """One machine per pair of classes with hinge loss (SVC), or per class with squared hinge loss (LinearSVC)."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.c is not None and self.c <= 0:
            raise ValueError(f"c must be positive, got {self.c}")
        if not self.grid or min(self.grid) <= 0:
            raise ValueError(f"grid must hold positive values, at least one, got {self.grid}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}")

    @property
    def rule(self) -> str:
        """The probe in words, for tables and records."""
        machine = "linear SVC, one-vs-one" if self.strategy == "one-vs-one" else "LinearSVC, one-vs-rest"
        values = ", ".join(f"{c:g}" for c in self.grid)
        c = f"C from {{{values}}} by {self.folds}-fold stratified cross-validation inside the training clouds"
        return (
            f"{machine}, {c if self.c is None else f'C = {self.c:g}'}, {'standardised' if self.standardise else 'raw'}"
        )


PROBES: dict[str, SVMConfig] = {
    "svm-cv": SVMConfig(),
    "svm-fixed": SVMConfig(c=0.01),
    "svm-cv-standardised": SVMConfig(standardise=True, grid=STANDARDISED_GRID),
    "svm-cv-wide": SVMConfig(grid=WIDE_GRID),
    "linear-svc": SVMConfig(c=1.0, strategy="one-vs-rest"),
}
"""The linear probes by the names of their protocols; whoever reports one of these numbers takes its settings here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a probe predicts for the test clouds and how its C came about."""

    predictions: Int64[np.ndarray, " t"]
    c: float | None = None
    """None for what has no C."""
    validation: tuple[tuple[float, float], ...] = ()
    """(C, accuracy inside the training clouds); empty where C was fixed or few classes have two members."""


def fit_predict(
    train: Float32[np.ndarray, "m d"],
    labels: Int64[np.ndarray, " m"],
    test: Float32[np.ndarray, "t d"],
    config: SVMConfig,
    *,
    seed: int = 0,
) -> Fitted:
    """Fit the probe on `train` and return its predictions for `test`; `seed` deals the clouds to the folds."""
    space = _Space(train, config)
    # With one member per class nothing can be validated, and any C gives the same borders half-way between the members.
    # With a few classes of two, C would be judged by those alone: best is whatever calls every cloud one of theirs.
    members = np.unique(labels, return_counts=True)[1]
    told = config.c is None and (members > 1).mean() >= LEAST_VALIDATED
    validation = cross_validate(space, labels, config, seed) if told else ()
    c = config.c or max(validation, key=lambda pair: (pair[1], -pair[0]), default=(1.0, 0.0))[0]
    [predictions] = space.predictions(labels, space.against(test), (c,))
    return Fitted(predictions=predictions, c=c, validation=validation)


def cross_validate(
    space: "_Space", labels: Int64[np.ndarray, " m"], config: SVMConfig, seed: int
) -> tuple[tuple[float, float], ...]:
    """Return the accuracy of every C over all clouds that were left out once."""
    right, counted = np.zeros(len(config.grid)), 0
    folds = deal(labels, config.folds, np.random.default_rng(seed))
    for fold in range(config.folds):
        left_out, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(left_out) == 0 or len(np.unique(labels[kept])) < 2:
            continue
        guesses = space.predictions(labels[kept], space.within(kept, left_out), config.grid)
        right += [(guess == labels[left_out]).sum() for guess in guesses]
        counted += len(left_out)
    return tuple((c, float(r) / counted) for c, r in zip(config.grid, right, strict=True)) if counted else ()


def deal(labels: Int64[np.ndarray, " m"], folds: int, generator: np.random.Generator) -> Int64[np.ndarray, " m"]:
    """Return the fold of every cloud, -1 for the only member of a class, which is learned from but never left out.

    Members of a class go to the folds in turn, and each class starts where the one before stopped: every fold gets its
    share of every class and all folds are of one size, up to one cloud.
    """
    dealt, turn = np.full(len(labels), -1, dtype=np.int64), 0
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        if len(members) > 1:
            dealt[members] = (turn + np.arange(len(members))) % folds
            turn += len(members)
    return dealt


@final
class _Space:
    """The training clouds as the machine sees them: inner products, or features where there are many clouds."""

    def __init__(self, train: Float32[np.ndarray, "m d"], config: SVMConfig) -> None:
        self._train = train.astype(np.float64)
        self._config = config
        self._by_products = config.strategy == "one-vs-one" and len(train) <= GRAM_LIMIT
        # Standardising depends on who is learned from, so the products cannot be shared between folds then.
        self._gram = self._train @ self._train.T if self._by_products and not config.standardise else None

    def within(self, kept: Int64[np.ndarray, " k"], left_out: Int64[np.ndarray, " l"]) -> tuple[Inputs, Inputs]:
        """Return what to fit on and what to predict, for training clouds by index."""
        if self._gram is not None:
            return self._gram[np.ix_(kept, kept)], self._gram[np.ix_(left_out, kept)]
        return self._pair(self._train[kept], self._train[left_out])

    def against(self, test: Float32[np.ndarray, "t d"]) -> tuple[Inputs, Inputs]:
        """Return what to fit on and what to predict: all training clouds, and others."""
        if self._gram is not None:
            return self._gram, test.astype(np.float64) @ self._train.T
        return self._pair(self._train, test.astype(np.float64))

    def predictions(
        self, labels: Int64[np.ndarray, " k"], inputs: tuple[Inputs, Inputs], grid: Sequence[float]
    ) -> list[Int64[np.ndarray, " t"]]:
        """Fit one machine per C to the first of `inputs` and return its predictions for the second."""
        from sklearn.svm import SVC, LinearSVC

        predictions = []
        for c in grid:
            if self._config.strategy == "one-vs-rest":
                # The primal converges in tens of steps where the dual takes minutes on raw features.
                machine = LinearSVC(C=c, dual=False, max_iter=10_000)
            else:
                machine = SVC(C=c, kernel="precomputed" if self._by_products else "linear", cache_size=500)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The number of unique classes")  # few labels are meant
                machine.fit(inputs[0], labels)
            predictions.append(np.asarray(machine.predict(inputs[1]), dtype=np.int64))
        return predictions

    def _pair(self, kept: Float64[np.ndarray, "k d"], other: Float64[np.ndarray, "t d"]) -> tuple[Inputs, Inputs]:
        if self._config.standardise:
            from sklearn.preprocessing import StandardScaler

            scaler = StandardScaler().fit(kept)
            kept, other = scaler.transform(kept), scaler.transform(other)
        return (kept @ kept.T, other @ kept.T) if self._by_products else (kept, other)
