"""What is refused before any work is done: folders that hold something else, data and settings that cannot work."""

import math
import os
import platform
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from pointssl.data.batches import Pictures
from pointssl.data.cloud import Dataset, no_shape
from pointssl.data.endless import size_of, spread_over
from pointssl.data.open import Data
from pointssl.errors import DataError, RunError, SettingError
from pointssl.memory import is_exhausted, require
from pointssl.methods import PretextMethod
from pointssl.runs import layout
from pointssl.runs.checkpoint import latest
from pointssl.runs.config import PretrainConfig
from pointssl.runs.run import Run

_LOOKED_AT = 64
LOCK = ".lock"
"""File in a run that whoever trains it holds locked."""
_DECIDE_NOTHING = (
    "data.source",
    "data.views",
    "data.workers",
    "checkpoint_every",
    "log_every",
    "monitor_every",
    "keep_checkpoints_at",
)
"""Settings that may change while a run rests: what is read from the first two has fingerprints of its own."""


def named_clouds(config: PretrainConfig, data: Data | None) -> tuple[PretrainConfig, Data]:
    """Return the clouds that were given, or else those that the settings name, and the settings that say so.

    Raises `SettingError` where there are neither: forgotten clouds are never replaced by toys.
    """
    if data is not None:
        source = str(data) if isinstance(data, str | Path) else None
        split = "train" if isinstance(data, tuple) else config.data.split
        return replace(config, data=replace(config.data, source=source, split=split)), data
    if config.data.source is None:
        raise SettingError(
            "no clouds are named: give --data PATH (a folder, store or file, NAME:PATH, or `synthetic` for toys); in "
            "Python data=..., also to resume a run whose data set was passed as an object"
        )
    return config, config.data.source


def check_folder(run: Path, config: PretrainConfig, *, resume: bool) -> None:
    """Refuse a folder that already holds something, or that does not hold the run to resume."""
    if not resume:
        if layout.is_begun(run):
            how = Run.open(run).resume_command
            raise RunError(f"{run} already holds a run; resume it with: {how} (or choose another folder)")
        if run.is_file() or (run.is_dir() and any(not _unfinished(file) for file in run.iterdir())):
            raise RunError(f"{run} exists and is not empty; choose another folder for the run")
        return
    if not run.is_dir():
        raise RunError(f"{run} does not exist, so there is no run to resume")
    changed = list(differences(Run.open(run).config, config))
    if not changed and (last := latest(run)) is not None:
        with suppress(RunError):  # a damaged one is told of, and passed over, when the state is read
            begun = differences(Run.open(last).config, config)
            changed = [one for one in begun if one.split(" ")[0] not in _DECIDE_NOTHING]
    if changed:
        raise SettingError(
            f"{run} was begun with other settings: {'; '.join(changed)}; a run is resumed as it began; to go on from "
            f"its weights with other settings: pointssl pretrain RECIPE --init-from {shlex.quote(str(run))} --out NEW"
        )


def _unfinished(file: Path) -> bool:
    """Tell our own locks, and what a killed process was writing, from content."""
    return (file.name.startswith(".") and file.suffix in (".partial", ".lock")) or file.name == LOCK


def restarted(run: Path, config: PretrainConfig) -> bool:
    """Whether torchrun has started this very job again (`--max-restarts`) and `run` is what its first try began."""
    if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) == 0 or not (run / layout.RECORD).is_file():
        return False
    begun = Run.open(run)
    return begun.record.get("job") == job() and not list(differences(begun.config, config))


def job() -> str | None:
    """Return what is the same in all tries of one torchrun job and in no other: its agent, which stays; or None."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    return f"{os.environ['TORCHELASTIC_RUN_ID']} {platform.node()} {os.getppid()}"


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield one phrase per setting that differs between two settings dataclasses."""
    if not is_dataclass(before) or type(before) is not type(now):
        if before != now:
            yield f"{path} was {before!r}, is {now!r}"
        return
    for field in fields(before):
        inner = f"{path}.{field.name}" if path else field.name
        yield from differences(getattr(before, field.name), getattr(now, field.name), inner)


def check_points(config: PretrainConfig, method: PretextMethod) -> None:
    """Refuse fewer points than the pretext task can be set with."""
    if config.data.reading.points < method.min_points:
        raise SettingError(
            f"data.points is {config.data.reading.points}, but {type(method).__name__} needs at least "
            f"{method.min_points} points per cloud; use more points or a coarser task"
        )


def check_memory(config: PretrainConfig, build: Callable[[], PretextMethod] | None, *, on_cpu: bool) -> None:
    """Refuse settings whose weights, or whose batch in the first layer alone, will not fit, before there are any.

    `build` makes the method; it is called where tensors have shapes and no memory. This is a lower bound: what a step
    takes is measured by `--dry-run`.

    Raises:
        SettingError: saying what is needed, what is free, and which setting to lower.
    """
    batch = config.data.batch_size * config.data.reading.points
    advice = "lower data.batch_size or data.points, or raise optim.accumulate"
    require(batch * 3 * 4 * 2, f"a batch of {batch:,} points", advice)
    if build is None:
        return
    try:
        with torch.device("meta"):
            shapes = [tensor.shape for tensor in build().parameters()]
    except RuntimeError as error:
        if not is_exhausted(error):
            return  # a network of the user's own, that cannot be made without memory
        raise SettingError(f"the network has more weights than can be counted ({error}); make it smaller") from error
    weights, copies = sum(math.prod(shape) for shape in shapes), 1
    if on_cpu:  # themselves, their gradients, the optimiser's memory, and the average
        copies = 2 + (2 if config.optim.kind != "sgd" else 1) + (config.ema is not None)
        first = next((shape[0] for shape in shapes if len(shape) > 1 and shape[1] == 3), 0)
        require(batch * first * 4, f"a batch of {batch:,} points in a first layer of {first}", advice)
    smaller = "make the network smaller, for example by backbone.pooled_dim"
    require(4 * weights * copies, f"training {weights:,} weights", smaller)


def check_data(dataset: Dataset, config: PretrainConfig, min_points: int, world: int) -> None:
    """Refuse clouds that the run could not use, from up to 64 of them; the loader names any further one it meets."""
    data = config.data
    if data.reading.points < min_points:
        raise SettingError(
            f"data.points is {data.reading.points}, but the backbone needs at least {min_points} points per cloud; "
            "use more points, or fewer neighbours (backbone.k) or patches (backbone.patches)"
        )
    if data.batch_size < 2:
        raise SettingError(f"data.batch_size must be at least 2 (batch norm compares clouds), got {data.batch_size}")
    size = size_of(dataset)
    if size == 0:
        raise DataError(f"{dataset.name} is empty: there is nothing to train on")
    if size is not None and size < data.batch_size * world:
        among = f" in each of {world} processes" if world > 1 else ""
        raise DataError(
            f"{dataset.name} has {size} clouds, fewer than one batch of {data.batch_size}{among}; "
            f"set data.batch_size to at most {max(2, size // world)} or use more clouds"
        )
    if size is None and (config.optim.schedule == "step" or config.optim.warmup_epochs):
        raise SettingError(
            f"{dataset.name} has no end and so no epochs; use optim.schedule cosine or constant, and optim.warmup_steps"
        )
    for index in spread_over(dataset, _LOOKED_AT):
        xyz = dataset.xyz(int(index))
        cloud = f"cloud {index} of {dataset.name}"
        if len(xyz) == 0:
            raise DataError(f"{cloud} has no points; `pointssl data check` lists all such clouds")
        if len(xyz) < data.reading.points and not data.reading.allow_repeats:
            raise DataError(
                f"{cloud} has {len(xyz)} points, fewer than data.points {data.reading.points}; "
                "lower data.points or set data.allow_repeats"
            )
        fault = no_shape(xyz)
        if fault is not None:
            raise DataError(f"{cloud} has {fault}; `pointssl data check` lists all such clouds")


def check_same_data(record: Mapping[str, Any], now: Mapping[str, Any], run: Path) -> None:
    """Refuse to go on with other clouds, or on another number of processes, than the run began with."""
    hardware, before = (record.get(name, {}) for name in ("hardware", "data"))
    if not isinstance(hardware, dict) or not isinstance(before, dict):
        raise RunError(f"{run / layout.RECORD} is damaged: hardware and data must be objects with names")
    begun = hardware.get("processes", 1)
    running = now["hardware"]["processes"]
    if begun != running:
        raise SettingError(
            f"{run} was begun on {begun} processes and would go on with {running}: batches, epochs and weights would "
            f"differ; start it with torchrun --nproc-per-node {begun}"
        )
    if before.get("fingerprint") != now["data"]["fingerprint"]:
        raise DataError(
            f"{run} was begun with other clouds: {before.get('name')} with {before.get('clouds')}, now "
            f"{now['data']['name']} with {now['data']['clouds']}; bring the old data back or start another run"
        )
    if before.get("views") != now["data"].get("views"):
        raise DataError(f"{run} was begun with other views; bring the old ones back or start another run")


def pictures_for(method: PretextMethod, dataset: Dataset, config: PretrainConfig) -> Pictures | None:
    """Find the stored views of all clouds, or None where there are none to read; refuse those that do not fit."""
    source, kind = config.data.views, method.view_kind
    if method.views == 0:
        if source is not None:
            raise SettingError(f"data.views is {source}, but this method works with clouds alone; leave data.views out")
        return None
    if source is None:
        if kind == "color":
            raise SettingError("method.pictures.kind is color, but points have no colours to draw; give data.views")
        return None
    from pointssl.data.views.store import check_views, open_views

    views = open_views(source)
    return Pictures(views, check_views(views, dataset, method.views, kind=kind), method.views)
