"""How many updates a run has: counted in epochs, steps or clouds seen, or as many as fit into a time.

A time becomes a number of steps once, before the first step that counts: some steps are measured, forgotten, and what
was found goes into the run's record. From there on the run is one of so many steps, and goes on exactly after any stop.
"""

import time
from contextlib import closing
from typing import Any

import torch

from pointssl.data.batches import Batches
from pointssl.errors import SettingError
from pointssl.runs.config import PretrainConfig
from pointssl.train import loop
from pointssl.train.ema import Average
from pointssl.train.optim import build_optimizer, warmup_steps
from pointssl.train.runtime import Runtime
from pointssl.train.state import TrainingState

_WARM = 2
"""Steps before the clock starts: the first ones build kernels and fill caches."""

_LEAST, _SHARE, _LONGEST = 8, 0.02, 20.0
"""Steps to measure, at least; after those, measuring ends at this share of the time, or after so many seconds."""


def planned_steps(config: PretrainConfig, batches: Batches) -> int | None:
    """Return the updates of a run, None where they have to be measured; raises `SettingError` for what cannot be."""
    if config.steps is None and config.minutes is not None:
        return None
    if batches.steps_per_epoch is None and config.steps is None and config.clouds_seen is None:
        raise SettingError(
            "data without an end has no epochs; give another budget: --clouds-seen 1.4e6, --minutes 60 or --steps 20000"
        )
    per_step = batches.batch * batches.world
    total = config.total_steps(batches.steps_per_epoch or 0, per_step)
    if total < 1:
        least = per_step * config.optim.accumulate
        raise SettingError(f"clouds_seen is {config.clouds_seen:g}, less than one step of {least} clouds; give more")
    check_warmup(config, total, batches, "the budget")
    return total


def check_warmup(config: PretrainConfig, total: int, batches: Batches, said: str) -> None:
    """Refuse a run that would end before its learning rate has risen; `said` is what its length comes from."""
    epoch = (batches.steps_per_epoch or 0) / config.optim.accumulate
    warmup = warmup_steps(config.optim, epoch)
    if warmup and total <= warmup:
        raise SettingError(
            f"{said} is {total} steps, and the warm-up of the learning rate alone takes {warmup}; give the run more, "
            "or shorten the warm-up"
        )


def fit_to_time(
    config: PretrainConfig, batches: Batches, state: TrainingState, runtime: Runtime
) -> tuple[TrainingState, dict[str, Any]]:
    """Measure some steps, forget them, and return the state as it was and what fits into `config.minutes`.

    The figures are `minutes`, `steps` and `seconds_per_step`; the time that measuring took is part of the budget.
    """
    assert config.minutes is not None
    before = {name: value.detach().clone() for name, value in state.method.state_dict().items()}
    budget, began, clock, done = 60 * config.minutes, time.monotonic(), 0.0, 0
    with closing(loop.run(state, batches, config, runtime, total=2**31)) as steps:
        for step in steps:
            if step.index + 1 == _WARM:
                clock = time.monotonic()
            done = step.index + 1 - _WARM
            enough = time.monotonic() - began > min(_LONGEST, _SHARE * budget)
            if runtime.any(done >= _LEAST and enough):
                break
    per_step = _mean((time.monotonic() - clock) / done, runtime)
    total = int((budget - _mean(time.monotonic() - began, runtime)) / per_step)
    if total < 1:
        raise SettingError(
            f"minutes is {config.minutes:g}, which measuring steps of {per_step:.2g} s used up; give more"
        )
    check_warmup(config, total, batches, f"{config.minutes:g} min at {per_step:.2g} s a step")
    state.method.load_state_dict(before)
    average = None if config.ema is None else Average(state.method, config.ema)
    state = TrainingState(state.method, build_optimizer(state.method, config.optim), average)
    return state, {"minutes": config.minutes, "steps": total, "seconds_per_step": round(per_step, 6)}


def _mean(seconds: float, runtime: Runtime) -> float:
    """Return the mean over all processes, which must agree on the number of steps."""
    return float(runtime.total(torch.tensor(seconds, dtype=torch.float64, device=runtime.device))) / runtime.world
