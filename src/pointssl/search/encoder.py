"""From clouds to unit vectors whose products are cosines: an encoder, how it reads, and a whitening.

Vectors are of use only beside vectors of the same encoder, reading and whitening; `key` is a digest of all three.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pointssl.backbones import Backbone
from pointssl.data.cloud import Dataset
from pointssl.errors import RunError
from pointssl.evaluation.embed import LEAST_TO_WHITEN, require_enough
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.ops.whitening import Whitening, fit_whitening
from pointssl.runs import shipped
from pointssl.runs.run import Run
from pointssl.runs.weights import digest
from pointssl.runs.whitening import read_whitening

Whiten = Literal["best", "kept", "own", "no"]
"""`best`: what travels with the encoder, else one of the clouds themselves where there are enough, else none."""
Turns = Literal[1, 4, 24]
"""Poses in which a cloud is tried: as it is; by quarters about its up axis; all turns of a cube."""


@final
@dataclass(frozen=True, slots=True)
class Encoder:
    """What turns clouds into vectors."""

    name: str
    """A run's folder, or the name of an encoder that ships."""
    network: Backbone
    config: EncodeConfig
    whitening: Whitening | None
    seed: int = 0

    @property
    def key(self) -> str:
        """Digest of the weights, of how clouds are read, and of the whitening."""
        told = hashlib.sha256(repr((digest(self.network), self.config.reading, self.seed)).encode())
        if self.whitening is not None:
            told.update(self.whitening.mean.tobytes() + self.whitening.turn.tobytes())
        return told.hexdigest()

    def vectors(self, dataset: Dataset, *, title: str = "vectors") -> Float32[np.ndarray, "m d"]:
        """Return one unit vector for each cloud; a vector of nothing but zeros stays one."""
        return self._unit(encode(self.network, dataset, self.config, seed=self.seed, title=title))

    def turned(self, dataset: Dataset, turns: Turns) -> Iterator[Float32[np.ndarray, "m d"]]:
        """Yield the vectors of all clouds in one pose after the other, as they are first."""
        for matrix in rotations(turns, self.config.reading.up_in(dataset)):
            turn = torch.from_numpy(matrix)

            def change(xyz: Tensor, _: Int64[np.ndarray, " b"], turn: Tensor = turn) -> Tensor:
                return xyz @ turn.T.to(xyz.device)

            yield self._unit(encode(self.network, dataset, self.config, seed=self.seed, title="vectors", change=change))

    def whitened_by(self, dataset: Dataset) -> "Encoder":
        """Return the same with a whitening that is fitted on clouds, where they are enough for one."""
        if len(dataset) < LEAST_TO_WHITEN:
            return self
        title = f"whitening of {self.name}"
        return replace(
            self, whitening=fit_whitening(encode(self.network, dataset, self.config, seed=self.seed, title=title))
        )

    def _unit(self, features: Float32[np.ndarray, "m e"]) -> Float32[np.ndarray, "m d"]:
        rows = (features if self.whitening is None else self.whitening(features)).astype(np.float64)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Float32[np.ndarray, "m d"] = (rows / np.maximum(length, np.finfo(np.float64).tiny)).astype(np.float32)
        return unit


def open_encoder(
    run: Run | Path | str | None,
    dataset: Dataset | None,
    *,
    whiten: Whiten = "best",
    points: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> Encoder:
    """Return the encoder of a run, or the first that ships, ready for the clouds of `dataset`, where there is one.

    Clouds with fewer points than are read use some of them twice. A whitening of the clouds' `own` is fitted here,
    which encodes them once. Raises `RunError` and `SettingError` as `Run.open` and `read_whitening`.
    """
    opened = Run.open(shipped.default() if run is None else run)
    reading = replace(opened.reading.with_points(points), allow_repeats=True)
    network, config = opened.encoder(), EncodeConfig(reading=reading, device=device)
    whitening = None
    if whiten in ("best", "kept"):
        try:
            whitening = read_whitening(opened, network.pooled_dim)
        except RunError:
            if whiten == "kept":
                raise
    enough = dataset is not None and len(dataset) >= LEAST_TO_WHITEN
    if whiten == "own" or (whiten == "best" and whitening is None and enough):
        assert dataset is not None
        require_enough(len(dataset), dataset.name)
        whitening = fit_whitening(encode(network, dataset, config, seed=seed, title="whitening"))
    name = str(shipped.default() if run is None else opened.folder if isinstance(run, Run) else run)
    return Encoder(name, network, config, whitening, seed)


def rotations(turns: Turns, up: str) -> Float32[np.ndarray, "t 3 3"]:
    """Return the rotations of so many poses, the identity first; quarter turns are about `up`."""
    made = [np.eye(3)]
    axes = [_quarter(axis) for axis in range(3)]
    steps = [] if turns == 1 else [axes["xyz".index(up)]] if turns == 4 else axes
    for one in made:  # grows while it is walked: all products of the steps
        for step in steps:
            new = step @ one
            if not any(np.array_equal(new, old) for old in made):
                made.append(new)
    return np.stack(made).astype(np.float32)


def _quarter(axis: int) -> np.ndarray:
    """Return a quarter turn about an axis."""
    turn = np.zeros((3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    turn[axis, axis], turn[a, b], turn[b, a] = 1, -1, 1
    return turn
