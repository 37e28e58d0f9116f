"""The training loop: plain torch, one `Step` handed out after every update; logging and saving are the caller's.

Nothing is hidden between two steps: the batch, the learning rate and all random numbers follow from (seed, step).
"""

import math
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pointssl.data.batches import Batches, prefetch
from pointssl.ops.counter_random import seed_of
from pointssl.ops.kernels.norm import share_statistics
from pointssl.runs.config import PretrainConfig
from pointssl.train.optim import learning_rate
from pointssl.train.runtime import Runtime
from pointssl.train.state import TrainingState
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True)
class Step:
    """What one update did."""

    index: int
    """Number of the update, from 0."""
    loss: float
    """Mean over the clouds of all processes, before the update."""
    grad_norm: float
    """Length of the whole gradient before it was clipped."""
    lr: float
    applied: bool
    """False where the loss or the gradient was not finite: the weights are then those before the step."""
    logs: dict[str, Tensor]
    """What the method says of this process's last batch; on its device, so reading it costs a wait."""
    batches: tuple[CloudBatch, ...]
    """What this process trained on."""


def wrap(state: TrainingState, config: PretrainConfig, runtime: Runtime) -> nn.Module:
    """Return the method as it is called in training: compiled and shared among processes, as configured."""
    module: nn.Module = state.method
    if runtime.world > 1:
        share_statistics(module)
    if config.compile:
        module = cast(nn.Module, torch.compile(module))
    if runtime.world > 1:
        devices = [runtime.device.index] if runtime.device.type == "cuda" else None
        module = DistributedDataParallel(module, device_ids=devices)
    return module


def run(
    state: TrainingState,
    batches: Batches,
    config: PretrainConfig,
    runtime: Runtime,
    *,
    start: int = 0,
    total: int,
) -> Generator[Step, None, None]:
    """Train from update `start` to `total` and yield each; the caller may stop after any of them.

    With several processes the gradients, the weights and the running statistics are those of one process with the
    batches of all side by side: our batch norms share their statistics. A foreign network's own norms do not.
    """
    optim, per_update = config.optim, config.optim.accumulate
    call, parameters = wrap(state, config, runtime), [p for p in state.method.parameters() if p.requires_grad]
    autocast = torch.autocast(runtime.device.type, torch.bfloat16, enabled=config.precision == "bf16")
    feed = prefetch(
        batches,
        range(start * per_update, total * per_update),
        workers=config.data.workers,
        pin=runtime.device.type == "cuda",
    )
    generator = torch.Generator(runtime.device)
    state.method.train()
    for index in range(start, total):
        lr = learning_rate(optim, index, total, (batches.steps_per_epoch or 0) / per_update)
        for group in state.optimizer.param_groups:
            group["lr"] = lr
        # Dropout draws from torch's own state, so that is set as well: nothing of it has to be stored. It is the same
        # in all processes, as ours draws for the rows of all of them (`backbones.layers.Dropout`).
        torch.manual_seed(seed_of(config.seed, 3, index, 0))
        # The same for all processes: methods draw for the clouds of all of them and take their share (`ops.draws`).
        generator.manual_seed(seed_of(config.seed, 4, index))
        state.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=runtime.device)
        used: list[CloudBatch] = []
        for part in range(per_update):
            used.append(next(feed).to(runtime.device))
            with _without_sync(call, last=part == per_update - 1):
                with autocast:
                    output: StepOutput = call(used[-1], generator)
                (output.loss / per_update).backward()
            loss += output.loss.detach() / per_update
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        # One wait for the device per step, before the update: a bad gradient must not reach the weights.
        loss_now, norm_now = torch.stack([runtime.total(loss) / runtime.world, norm]).tolist()
        applied = math.isfinite(loss_now) and math.isfinite(norm_now)
        if applied:
            if optim.clip is not None:
                nn.utils.clip_grads_with_norm_(parameters, optim.clip, norm)
            state.optimizer.step()
            state.method.after_step((index + 1) / total)
            if state.average is not None:
                state.average.update(state.method, index)
        yield Step(
            index=index,
            loss=loss_now,
            grad_norm=norm_now,
            lr=lr,
            applied=applied,
            logs=output.logs,
            batches=tuple(used),
        )


def _without_sync(call: nn.Module, *, last: bool) -> AbstractContextManager[None]:
    """Exchange gradients between processes with the last batch of an update only."""
    if isinstance(call, DistributedDataParallel) and not last:
        return call.no_sync()
    return nullcontext()
