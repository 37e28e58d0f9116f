"""Measure classifiers: the score of every coalition of regions, for the same clouds and regions, resumably."""

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import nn

from pointssl import files, progress
from pointssl.data.cloud import Dataset
from pointssl.data.open import Data
from pointssl.data.splits import open_splits
from pointssl.errors import RunError, SettingError
from pointssl.interpret import max_pooled, memory, table
from pointssl.interpret.config import InteractConfig
from pointssl.interpret.network import check_classes, check_steady, logits_of, measuring
from pointssl.interpret.players import Clouds, gather
from pointssl.interpret.table import InteractionTable
from pointssl.interpret.values import masked_logits, require_finite
from pointssl.ops.games.coalitions import all_coalitions, score
from pointssl.runs.device import choose_device
from pointssl.runs.weights import digest

CHUNK = 8
"""Clouds whose values are written together: what a stop in between can cost at most."""


def interact(
    networks: Mapping[str, nn.Module],
    data: Data,
    config: InteractConfig | None = None,
    *,
    out: Path | None = None,
    clouds: Clouds | None = None,
) -> dict[str, InteractionTable]:
    """Return the table of every network on the same clouds and regions, in evaluation mode and without gradients.

    Args:
        networks: classifiers by name, each mapping clouds (b, n, 3) to logits (b, classes) of the data's classes; one
            with `classes` (names in the order of its logits) has them compared with the data's.
        data: labelled clouds: of a path, a name or a pair the test clouds, of a data set all.
        config: settings.
        out: folder for `<name>.npz` and, until that is whole, `<name>.parts/`; an earlier call that asked the same is
            taken up. Nothing is kept without it.
        clouds: clouds and regions of the caller's own, from `players.gather` or `players.given`.

    Raises:
        SettingError: no networks, too many regions, too little memory for them, or a network that gives no logits.
        DataError: data that cannot be used, or of other classes than a network's.
        RunError: a network whose logits are not finite or change between calls.
    """
    config = config or InteractConfig()
    dataset = open_splits(data).test if isinstance(data, str | Path | tuple) else data
    if not networks:
        raise SettingError("networks must hold at least one classifier, got none")
    _check_names(networks)
    # Before a point is read: a data set can be long to open.
    count = min(config.clouds, len(dataset)) if clouds is None else len(clouds.index)
    memory.check(config.regions, count, memory.free())
    chosen = clouds or gather(dataset, config)
    if chosen.region.max() >= config.regions:
        raise SettingError(f"regions must be at least {chosen.region.max() + 1} for these clouds, got {config.regions}")
    found = {}
    for name, network in networks.items():
        made = _measure(name, network, dataset, config, chosen, out)
        made.dividends()  # checks completeness
        found[name] = made
    return found


def _measure(
    name: str, network: nn.Module, dataset: Dataset, config: InteractConfig, clouds: Clouds, out: Path | None
) -> InteractionTable:
    """Return the table of one network, from `out` where it is whole already."""
    weights = digest(network)
    key = _key(weights, config, clouds)
    target, parts = (None, None) if out is None else (out / f"{name}.npz", out / f"{name}.parts" / key)
    if target is not None and parts is not None and target.is_file():
        kept = _kept(target)
        if kept is not None and _key(kept.weights, kept.settings, _clouds_of(kept)) == key:
            shutil.rmtree(parts.parent, ignore_errors=True)  # a kill may have come between
            return kept
    device = choose_device(config.device)
    with measuring(network, device):
        predicted, v = _values(name, network, dataset, config, clouds, parts, device)
    made = InteractionTable(
        network=name,
        weights=weights,
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        classes=dataset.classes,
        settings=config,
        index=clouds.index,
        label=clouds.label,
        predicted=predicted,
        xyz=clouds.xyz,
        region=clouds.region,
        v=v,
    )
    if target is not None and parts is not None:
        table.save(made, target)
        shutil.rmtree(parts.parent, ignore_errors=True)
    return made


def _values(
    name: str,
    network: nn.Module,
    dataset: Dataset,
    config: InteractConfig,
    clouds: Clouds,
    parts: Path | None,
    device: torch.device,
) -> tuple[Int64[np.ndarray, " m"], Float64[np.ndarray, "m c"]]:
    """Return what the network says of the whole clouds, and the values of all coalitions."""
    first = torch.from_numpy(clouds.xyz[:2]).to(device)
    check_steady(network, first, name)
    own: Any = getattr(network, "classes", ())  # plain classifiers have no names
    names = tuple(own) if isinstance(own, tuple | list) else ()
    labels = clouds.label
    check_classes(name, logits_of(network, first).shape[1], names, dataset.name, dataset.classes, int(labels.max()))
    region = torch.from_numpy(clouds.region)
    quick = config.max_pooled and max_pooled.agrees(network, first[0], region[0].to(device), config)
    predicted = np.empty(len(labels), dtype=np.int64)
    v = np.empty((len(labels), 2**config.regions), dtype=np.float64)
    how = "one pass over each cloud" if quick else f"{len(v) * v.shape[1]:,} masked clouds"
    progress.say(f"{name}: {len(v)} clouds, {v.shape[1]:,} coalitions each, by {how}")
    with progress.bar(name, len(labels)) as line:
        for start in range(0, len(labels), CHUNK):
            rows = slice(start, min(start + CHUNK, len(labels)))
            file = None if parts is None else parts / f"{start:06d}.npz"
            kept = None if file is None else _part(file, (rows.stop - start, v.shape[1]))
            if kept is None:
                for row in range(start, rows.stop):
                    predicted[row], v[row] = _cloud(name, network, config, clouds, row, quick, device)
                if file is not None:
                    with files.atomic_file(file) as partial, partial.open("wb") as handle:
                        np.savez(handle, predicted=predicted[rows], v=v[rows])
            else:
                predicted[rows], v[rows] = kept
            line.advance(rows.stop - start)
    return predicted, v


def _cloud(
    name: str, network: nn.Module, config: InteractConfig, clouds: Clouds, row: int, quick: bool, device: torch.device
) -> tuple[int, Float64[np.ndarray, " c"]]:
    """Return the class and all values of one cloud."""
    xyz, region = (torch.from_numpy(part[row]).to(device) for part in (clouds.xyz, clouds.region))
    kept = all_coalitions(config.regions, device)
    found = max_pooled.parts(network) if quick else None
    if found is None:
        logits = masked_logits(network, xyz, region, config)(kept)
    else:
        logits = max_pooled.MaxPooledLogits(*found, xyz, region, config).all()
    require_finite(logits, kept, f"{name}, cloud {clouds.index[row]}")
    predicted = int(logits[-1].argmax())
    label = predicted if config.target == "predicted" else int(clouds.label[row])
    which = torch.full((len(logits),), label, dtype=torch.int64, device=device)
    return predicted, score(logits.double(), which, config.score).cpu().numpy()


def _check_names(networks: Mapping[str, nn.Module]) -> None:
    """Names become file names."""
    for name in networks:
        if not name or name in (".", "..") or "/" in name or "\\" in name:
            raise SettingError(f"the name of a network must be a plain word without slashes, got '{name}'")


def _key(weights: str, config: InteractConfig, clouds: Clouds) -> str:
    """Return a name for what values depend on; how they are computed is no part of it."""
    how = {k: v for k, v in asdict(config).items() if k in ("regions", "masking", "score", "target")}
    hashed = hashlib.sha256(f"{weights} {sorted(how.items())}".encode())
    for array in (clouds.index, clouds.label, clouds.xyz, clouds.region):
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()[:20]


def _clouds_of(kept: InteractionTable) -> Clouds:
    return Clouds(index=kept.index, label=kept.label, xyz=kept.xyz, region=kept.region)


def _kept(path: Path) -> InteractionTable | None:
    """Return an earlier table, or None where it cannot be read: it is made again."""
    try:
        return table.load(path)
    except RunError:
        return None


def _part(file: Path, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the values of an earlier chunk, or None."""
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as kept:
            predicted, v = kept["predicted"], kept["v"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (predicted, v) if v.shape == shape and len(predicted) == shape[0] else None
