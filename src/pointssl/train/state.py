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
from pointssl.files import atomic_folder, remove_folder, sweep, write_json
from pointssl.methods import PretextMethod
from pointssl.progress import say
from pointssl.runs import layout, seal
from pointssl.runs.checkpoint import checkpoint_at, checkpoints, is_whole, step_of
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
    folder = checkpoint_at(run, step)
    if is_whole(folder):
        return folder
    if folder.exists():  # damaged from outside: our own writing leaves whole folders or none
        remove_folder(folder)
    with atomic_folder(folder) as partial:
        write_tensors(partial / layout.WEIGHTS, state.method.state_dict())
        write_tensors(partial / layout.OPTIMIZER, optimizer_tensors(state.optimizer, state.names()))
        if state.average is not None:
            write_tensors(partial / layout.AVERAGE, state.average.tensors)
        write_json(partial / layout.CONFIG, to_json(config))
        write_json(partial / layout.RECORD, record)
        seal.write(partial / layout.STATE, {"step": step, "watch": watch})
    return folder


def restore(state: TrainingState, run: Path) -> tuple[int, dict[str, float]]:
    """Fill `state` from the run's last undamaged checkpoint; returns its step and the watch's figures, (0, {}) without.

    A damaged one is told of and passed over: what it held is computed again from the one before.

    Raises:
        RunError: all are damaged, or do not fit.
    """
    damaged: RunError | None = None
    for folder in reversed(checkpoints(run)):
        try:
            seal.check(folder / layout.STATE)
        except RunError as error:
            say(f"warning: {error}; going on from the checkpoint before it")
            damaged = error
        else:
            return _fill(state, folder)
    if damaged is not None:
        raise RunError(f"{damaged}, and no other checkpoint is whole; start another run")
    return 0, {}


def _fill(state: TrainingState, folder: Path) -> tuple[int, dict[str, float]]:
    file = folder / layout.WEIGHTS
    load_weights(state.method, read_tensors(file), file)
    file = folder / layout.OPTIMIZER
    load_optimizer(state.optimizer, state.names(), read_tensors(file), file)
    if state.average is not None:
        file = folder / layout.AVERAGE
        state.average.load(read_tensors(file), file)
    kept = seal.read(folder / layout.STATE)
    if kept.step != step_of(folder):
        raise RunError(f"{folder} says it is step {kept.step}; the folder was renamed, name it back")
    return step_of(folder), kept.watch


def prune(run: Path, total: int, keep: tuple[float, ...]) -> None:
    """Delete all checkpoints but the last two and those at the parts `keep` of `total` steps."""
    kept = kept_steps(total, keep)
    for folder in checkpoints(run)[:-_KEPT]:
        if step_of(folder) not in kept:
            remove_folder(folder)


def kept_steps(total: int, keep: tuple[float, ...]) -> set[int]:
    """Return the steps at the parts `keep` of a run of `total` steps."""
    return {round(part * total) for part in keep}


def clear_leftovers(run: Path) -> None:
    """Remove what a killed process left of checkpoints and files it was writing; the caller holds the run's lock."""
    sweep(run)
    sweep(run / layout.CHECKPOINTS)
    for partial in [*run.glob(".*.partial"), *(run / layout.CHECKPOINTS).glob(".*.partial")]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
