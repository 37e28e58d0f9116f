"""What a run will cost, measured on a few of its own real steps; nothing is written anywhere."""

import ctypes
import os
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from pointssl.backbones import Backbone
from pointssl.data.endless import size_of
from pointssl.data.open import Data
from pointssl.runs.config import PretrainConfig
from pointssl.train import loop
from pointssl.train.checks import named_clouds
from pointssl.train.pretrain import decided, described, own_randomness, prepare
from pointssl.train.runtime import start


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a run on this machine."""

    device: str
    clouds: int | None
    """Clouds in the data set; None where it has no end."""
    encoder_parameters: int
    parameters: int
    """Of the whole method, the encoder and what is thrown away after training."""
    memory: int | None
    """Bytes at the fullest moment of a step: on a GPU all of it, on the CPU what a step adds to the process; None where
    the system does not say (Windows, macOS)."""
    seconds_per_step: float
    clouds_per_s: float
    steps_per_epoch: float | None
    """None where the data has no end."""
    total_steps: int
    seconds: float
    """Of the whole run."""

    def table(self) -> list[tuple[str, str]]:
        """Return the figures as rows of a name and a text."""
        epoch = self.steps_per_epoch
        return [
            ("device", self.device),
            ("clouds", "without end" if self.clouds is None else f"{self.clouds:,}"),
            ("encoder parameters", f"{self.encoder_parameters:,}"),
            ("parameters in training", f"{self.parameters:,}"),
            *([] if self.memory is None else [("memory per step", f"{self.memory / 2**20:,.0f} MiB")]),
            ("time per step", f"{self.seconds_per_step * 1000:,.1f} ms ({self.clouds_per_s:,.0f} clouds/s)"),
            ("steps", f"{self.total_steps:,}{'' if epoch is None else f' ({epoch:,.1f} per epoch)'}"),
            *([] if epoch is None else [("time per epoch", duration(self.seconds_per_step * epoch))]),
            ("time of the run", duration(self.seconds)),
        ]


def estimate(
    config: PretrainConfig,
    *,
    data: Data | None = None,
    backbone: Backbone | None = None,
    device: str | None = None,
    steps: int = 5,
) -> Estimate:
    """Train `steps` real steps after two to warm up, forget them, and return what the whole run would cost.

    The same faults are found as by `pretrain`, with the same errors. A backbone that is passed in is trained a little.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    with start(device) as runtime, own_randomness(runtime.device):
        config, clouds = named_clouds(described(config, backbone, None), data)
        config = decided(config, None, runtime)
        parts = prepare(config, clouds, backbone, runtime)
        warm = 2
        # The learning rate is of no matter here, but a schedule needs a whole run to lie on.
        total = max(parts.total or 2**31, warm + steps)
        moments: list[float] = []
        resident = _reset_peak(runtime.device)
        with closing(loop.run(parts.state, parts.batches, config, runtime, total=total)) as running:
            for _ in range(warm + steps):
                next(running)
                moments.append(time.perf_counter())
        highest = _peak(runtime.device)
        per_step = (moments[-1] - moments[warm - 1]) / steps
        epoch = parts.batches.steps_per_epoch
        whole = int(60 * (config.minutes or 0) / per_step) if parts.total is None else parts.total
        per_update = config.data.batch_size * config.optim.accumulate * runtime.world
        name = torch.cuda.get_device_name(runtime.device) if runtime.device.type == "cuda" else f"cpu ({_threads()})"
        return Estimate(
            device=name,
            clouds=size_of(parts.dataset),
            encoder_parameters=sum(p.numel() for p in parts.state.method.backbone.parameters()),
            parameters=sum(p.numel() for p in parts.state.method.parameters()),
            memory=None if highest is None or resident is None else max(0, highest - resident),
            seconds_per_step=per_step,
            clouds_per_s=per_update / per_step,
            steps_per_epoch=None if epoch is None else epoch / config.optim.accumulate,
            total_steps=whole,
            seconds=per_step * whole,
        )


def duration(seconds: float) -> str:
    """Return a time as people say it: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _threads() -> str:
    return f"{torch.get_num_threads()} of {os.cpu_count()} threads"


def _reset_peak(device: torch.device) -> int | None:
    """Start measuring memory and return what is in use that is not the step's."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return 0
    with suppress(OSError, AttributeError, TypeError):  # no glibc; on Windows not even a way to ask for it
        # glibc keeps freed memory for later; given back first, or a step that reuses it would seem to need none.
        ctypes.CDLL(None).malloc_trim(0)
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        with suppress(OSError):
            clear.write_text("5")  # Linux: forget the highest use of memory so far
    return _status("VmRSS")


def _peak(device: torch.device) -> int | None:
    """Return the highest use of memory since it was reset, in bytes, or None where that cannot be told."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM")


def _status(key: str) -> int | None:
    """Return one figure of Linux's account of this process, in bytes; None on other systems."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
