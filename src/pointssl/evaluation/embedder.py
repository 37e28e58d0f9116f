"""A run as a scikit-learn transformer: a list of clouds in, one feature row each out.

It stands in a file of its own because scikit-learn is a slow import that the command line does without.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final, get_args

import numpy as np
from jaxtyping import Float32
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from pointssl.backbones.base import Backbone
from pointssl.data.arrays import ArrayDataset
from pointssl.data.files.cloud import settle
from pointssl.data.files.columns import require_rows
from pointssl.data.reading import ReadConfig
from pointssl.evaluation.embed import Whiten, require_enough
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.ops.whitening import fit_whitening
from pointssl.runs import shipped
from pointssl.runs.run import Run
from pointssl.runs.whitening import read_whitening


@final
class PointEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encodes clouds (n_i, 3 or more columns: x, y, z first) of any sizes with the encoder of a run.

    Without a run the first encoder of `pointssl models` is used. `fit` loads the encoder, and learns nothing but, with
    `whiten="own"`, a whitening of the features of its clouds (`"kept"`: the one that travels with the encoder). The
    row of a cloud depends on that cloud, the run and `seed` alone, not on the other clouds of the list. Clouds with
    fewer than `points` points use some of them twice.
    """

    def __init__(
        self,
        run: Path | str | Backbone | None = None,
        *,
        whiten: Whiten = "no",
        points: int | None = None,
        seed: int = 0,
        normalise: bool = True,
        batch_size: int | None = None,
        device: str | None = None,
    ) -> None:
        self.run = run
        self.whiten = whiten
        self.points = points
        self.seed = seed
        self.normalise = normalise
        self.batch_size = batch_size
        self.device = device

    def fit(self, X: Sequence[np.ndarray], y: Any = None) -> "PointEmbedder":  # noqa: N803, ARG002
        """Load the encoder; the clouds are checked and, but for a whitening of their own, not looked at."""
        if self.whiten not in get_args(Whiten):
            raise ValueError(f"whiten must be one of {', '.join(get_args(Whiten))}, got {self.whiten!r}")
        as_clouds(X)
        opened = None
        if isinstance(self.run, Backbone):
            self.backbone_, stored = self.run, 1024
        else:
            opened = Run.open(shipped.default() if self.run is None else self.run)
            self.backbone_, stored = opened.encoder(), opened.config.data.reading.points
        self.points_ = self.points or stored
        self.whitening_ = None
        if self.whiten == "kept":
            if opened is None:
                raise ValueError("whiten 'kept' needs a run: a network alone has no whitening that travels with it")
            self.whitening_ = read_whitening(opened, self.backbone_.pooled_dim)
        elif self.whiten == "own":
            require_enough(len(X), "X")
            self.whitening_ = fit_whitening(self._encoded(X))
        self.n_features_out_ = self.backbone_.pooled_dim if self.whitening_ is None else self.whitening_.turn.shape[1]
        return self

    def transform(self, X: Sequence[np.ndarray]) -> Float32[np.ndarray, "m d"]:  # noqa: N803
        """Return one row per cloud."""
        check_is_fitted(self, "backbone_")
        features = self._encoded(X)
        return features if self.whitening_ is None else self.whitening_(features)

    def _encoded(self, X: Sequence[np.ndarray]) -> Float32[np.ndarray, "m d"]:  # noqa: N803
        """Return one row per cloud as the encoder gives it."""
        clouds = as_clouds(X)
        chosen = np.stack([_drawn(cloud, self.points_, self.seed) for cloud in clouds])
        reading = ReadConfig(points=self.points_, normalise=self.normalise)
        config = EncodeConfig(reading=reading, batch_size=self.batch_size, device=self.device)
        return encode(self.backbone_, ArrayDataset(chosen, name="clouds"), config, title="embedding")

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Return `pointembedder0`, `pointembedder1`, ..., as scikit-learn names new columns."""
        check_is_fitted(self, "backbone_")
        return np.array([f"pointembedder{i}" for i in range(self.n_features_out_)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "backbone_")

    def __sklearn_tags__(self) -> Any:
        """Clouds are arrays of unequal size, not rows of a table; and nothing is learned."""
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags


def as_clouds(given: Sequence[Any]) -> list[Float32[np.ndarray, "_ 3"]]:
    """Return the coordinates of every cloud; raises ValueError that names the first that is none."""
    if len(given) == 0:
        raise ValueError("X must hold at least one cloud, got none")
    clouds = []
    for number, one in enumerate(given):
        cloud = np.asarray(one)
        if cloud.ndim != 2 or cloud.shape[1] < 3 or len(cloud) == 0 or cloud.dtype.kind not in "fiu":
            message = f"X[{number}] must be a cloud of numbers with shape (points, 3 or more)"
            raise ValueError(f"{message}, got {cloud.dtype} {cloud.shape}")
        try:
            require_rows(cloud.shape)
        except ValueError as error:
            raise ValueError(f"X[{number}]: {error}") from None
        if not np.isfinite(cloud[:, :3]).all():
            raise ValueError(f"X[{number}] must have finite coordinates, got NaN or infinity")
        clouds.append(settle(cloud[:, :3])[0])  # survey coordinates keep their digits
    return clouds


def _drawn(cloud: Float32[np.ndarray, "n 3"], points: int, seed: int) -> Float32[np.ndarray, "p 3"]:
    """Return `points` points, each used once before any is used twice; the same cloud always gives the same."""
    order = np.random.default_rng(seed).permutation(len(cloud))
    return cloud[order[np.arange(points) % len(cloud)]]
