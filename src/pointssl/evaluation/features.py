"""Frozen features: what an encoder says of every cloud of a data set, computed once and kept on disk."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pointssl import files, progress
from pointssl.backbones.base import Backbone
from pointssl.data.cloud import Dataset
from pointssl.data.reading import ReadConfig
from pointssl.errors import DataError, RunError, SettingError
from pointssl.runs.device import choose_device
from pointssl.runs.weights import digest, read_tensors, write_tensors

Table = Float32[np.ndarray, "m d"]
Change = Callable[[Tensor, Int64[np.ndarray, " b"]], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeConfig:
    """How clouds are encoded: how they are read, and where and how precisely the network runs."""

    reading: ReadConfig = field(default_factory=ReadConfig)
    """How clouds are read, their points drawn by the seed."""
    batch_size: int | None = None
    """Clouds per forward pass; when not given 64 on a GPU, and 4 on a CPU, whose cache then holds the activations."""
    device: str | None = None
    """Such as cpu or cuda:1; the GPU where there is one when not given."""
    bf16: bool = False
    """Run the network's products in bfloat16."""

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise SettingError(f"batch_size must be at least 1, got {self.batch_size}")
        choose_device(self.device)  # told before the work, also where all features are kept already

    @property
    def clouds_at_once(self) -> int:
        """Clouds per forward pass."""
        return self.batch_size or (4 if choose_device(self.device).type == "cpu" else 64)

    def autocast(self) -> torch.autocast:
        """Return the context that the network runs in."""
        return torch.autocast(choose_device(self.device).type, torch.bfloat16, enabled=self.bf16)


@torch.no_grad()
def encode(
    backbone: Backbone,
    dataset: Dataset,
    config: EncodeConfig,
    *,
    seed: int = 0,
    title: str = "features",
    change: Change | None = None,
) -> Table:
    """Return the pooled feature of every cloud: evaluation mode, no augmentation, points drawn by `seed`.

    `change` turns a batch of clouds, given their places in the data set, into those that are encoded.
    Raises `DataError` for no clouds, `SettingError` for too few points, `RunError` when the features are not finite.
    """
    if len(dataset) == 0:
        raise DataError(f"{dataset.name} holds no clouds; there is nothing to encode")
    reading = config.reading
    if reading.points < backbone.min_points:
        name = type(backbone).__name__
        raise SettingError(f"points must be at least {backbone.min_points} for {name}, got {reading.points}")
    was_training = backbone.training
    device = choose_device(config.device)
    backbone.to(device).eval()
    rows = np.empty((len(dataset), backbone.pooled_dim), dtype=np.float32)
    try:
        with progress.bar(title, len(dataset)) as line, config.autocast():
            for start in range(0, len(dataset), config.clouds_at_once):
                chosen = np.arange(start, min(start + config.clouds_at_once, len(dataset)))
                batch = config.reading.batch(dataset, chosen, seed=seed).to(device)
                xyz = batch.xyz if change is None else change(batch.xyz, chosen)
                rows[chosen] = backbone(xyz).pooled.float().cpu().numpy()
                line.advance(len(chosen))
    finally:
        backbone.train(was_training)
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows).all(axis=1)).sum())
        raise RunError(f"the encoder's features are not finite for {bad} of {len(rows)} clouds in {dataset.name}")
    return rows


def encode_cached(
    backbone: Backbone,
    dataset: Dataset,
    config: EncodeConfig,
    folder: Path | None,
    *,
    seed: int = 0,
    title: str = "features",
) -> Table:
    """Return `encode(...)`, from `folder` when the same weights have seen the same points before."""
    if folder is None:
        return encode(backbone, dataset, config, seed=seed, title=title)
    reading = config.reading
    seen = (reading.points, reading.normalise, reading.allow_repeats, config.bf16, seed)
    path = folder / f"{hash_of(digest(backbone), dataset.fingerprint, *seen)}.safetensors"
    files.sweep(folder)
    kept = _kept(path)
    if kept is not None and kept.shape == (len(dataset), backbone.pooled_dim):
        return kept
    rows = encode(backbone, dataset, config, seed=seed, title=title)
    with files.atomic_file(path) as partial:
        write_tensors(partial, {"features": torch.from_numpy(rows)})
    return rows


def _kept(path: Path) -> Table | None:
    """Return the features in a file, or None where there is none, or a damaged one: they are computed again."""
    if not path.is_file():
        return None
    try:
        return np.asarray(read_tensors(path)["features"].numpy(), dtype=np.float32)
    except (RunError, KeyError):
        return None


def hash_of(*parts: object) -> str:
    """Return a short file name for what a cached result depends on; parts are anything with a telling `repr`."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
