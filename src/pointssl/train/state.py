"""The whole state of training at a step, to a checkpoint and back, bit for bit.

Weights, their running average and the optimiser's memory are all there is: batches, the learning rate and every random
number follow from (seed, step).
"""

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointssl.errors import RunError
from pointssl.files import atomic_folder, write_json
from pointssl.methods import PretextMethod
from pointssl.runs.checkpoint import checkpoints, is_whole, latest, read_json, step_of
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.weights import load_optimizer, load_weights, optimizer_tensors, read_tensors, write_tensors
from pointssl.train.ema import Average

_KEPT = 2


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What changes while a run trains."""

    method: PretextMethod
    optimizer: torch.optim.Optimizer
    average: Average | None
    """Running average of the weights, where the run keeps one."""

    def averaged(self) -> PretextMethod:
        """Return what the run would end with now: the method, or a copy of it with the averaged weights."""
        if self.average is None:
            return self.method
        method = copy.deepcopy(self.method)
        method.load_state_dict(self.average.tensors)
        return method

    def names(self) -> dict[Tensor, str]:
        """Name every parameter."""
        return {parameter: name for name, parameter in self.method.named_parameters()}


def save(
    state: TrainingState, run: Path, step: int, config: PretrainConfig, record: dict[str, Any], watch: dict[str, float]
) -> Path:
    """Write the checkpoint after `step` updates and return its folder; an equal one that is there already stays."""
    folder = run / "checkpoints" / f"step-{step:08d}"
    if is_whole(folder):
        return folder
    if folder.exists():  # damaged from outside: our own writing leaves whole folders or none
        shutil.rmtree(folder)
    with atomic_folder(folder) as partial:
        write_tensors(partial / "model.safetensors", state.method.state_dict())
        write_tensors(partial / "optimizer.safetensors", optimizer_tensors(state.optimizer, state.names()))
        if state.average is not None:
            write_tensors(partial / "ema.safetensors", state.average.tensors)
        write_json(partial / "config.json", to_json(config))
        write_json(partial / "record.json", record)
        sizes = {file.name: file.stat().st_size for file in sorted(partial.iterdir())}
        write_json(partial / "state.json", {"step": step, "watch": watch, "files": sizes})
    return folder


def restore(state: TrainingState, run: Path) -> tuple[int, dict[str, float]]:
    """Fill `state` from the run's last whole checkpoint; returns its step and the watch's figures, (0, {}) without."""
    folder = latest(run)
    if folder is None:
        return 0, {}
    load_weights(state.method, read_tensors(folder / "model.safetensors"), folder / "model.safetensors")
    file = folder / "optimizer.safetensors"
    load_optimizer(state.optimizer, state.names(), read_tensors(file), file)
    if state.average is not None:
        file = folder / "ema.safetensors"
        state.average.load(read_tensors(file), file)
    kept = read_json(folder / "state.json")
    if kept.get("step") != step_of(folder):
        raise RunError(f"{folder} says it is step {kept.get('step')}; the folder was renamed, name it back")
    return step_of(folder), {name: float(value) for name, value in kept["watch"].items()}


def prune(run: Path, total: int, keep: tuple[float, ...]) -> None:
    """Delete all checkpoints but the last two and those at the parts `keep` of `total` steps."""
    kept = kept_steps(total, keep)
    for folder in checkpoints(run)[:-_KEPT]:
        if step_of(folder) not in kept:
            shutil.rmtree(folder)


def kept_steps(total: int, keep: tuple[float, ...]) -> set[int]:
    """Return the steps at the parts `keep` of a run of `total` steps."""
    return {round(part * total) for part in keep}


def clear_leftovers(run: Path) -> None:
    """Remove what a killed process left of checkpoints and files it was writing."""
    for partial in [*run.glob(".*.partial"), *(run / "checkpoints").glob(".*.partial")]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
