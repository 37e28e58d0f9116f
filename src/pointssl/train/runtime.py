"""Where a run computes: its device, and the other processes that share its work.

`torchrun` starts one process per device, on one machine or many, and names them in the environment; without it there
is one process.
"""

import itertools
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pointssl.errors import SettingError
from pointssl.runs.device import choose_device

_CALLS = itertools.count()
"""How many groups this process has joined."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The place of this process among all of a run."""

    device: torch.device
    rank: int = 0
    """Number of this process; the one with 0 writes files and speaks."""
    world: int = 1
    """Number of processes."""

    @property
    def is_main(self) -> bool:
        """True for the process that writes files."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is true in any process; all processes must ask at the same step."""
        if self.world == 1:
            return flag
        return bool(self.total(torch.tensor(float(flag), device=self.device)) > 0)

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of `value` over all processes."""
        if self.world > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.world > 1:
            dist.barrier()


def bf16_is_fast(device: torch.device) -> bool:
    """True where the device is known to compute in bf16: CUDA GPUs that have it, x86 with AVX-512 BF16 or AMX."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(probe() for probe in probes if probe is not None)


def bf16_is_slow(device: torch.device) -> bool:
    """True for x86 processors that only imitate bf16, where its products take two to five times those of float32."""
    if device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    # Private names, and not in every release of torch: where they are missing, nothing is claimed.
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return None not in probes and not any(probe() for probe in probes if probe is not None)


@contextmanager
def start(device: str | None = None) -> Iterator[Runtime]:
    """Yield the place of this process; under torchrun, join the others first and leave them at the end.

    A process group that the caller has made is used and left standing.
    """
    if dist.is_available() and dist.is_initialized():
        place = choose_device(device, int(os.environ.get("LOCAL_RANK", "0")))
        yield Runtime(device=place, rank=dist.get_rank(), world=dist.get_world_size())
        return
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Runtime(device=choose_device(device))
        return
    if not dist.is_available():
        raise SettingError(f"this torch cannot work with {world} processes: it was built without torch.distributed")
    rank, place = int(os.environ["RANK"]), choose_device(device, int(os.environ["LOCAL_RANK"]))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group(
        "nccl" if place.type == "cuda" else "gloo", store=_meeting_place(world), rank=rank, world_size=world
    )
    try:
        yield Runtime(device=place, rank=rank, world=world)
    finally:
        dist.destroy_process_group()


def _meeting_place(world: int) -> Any:
    """Return a store of this restart and this call alone: nobody may read the addresses of a group that is gone.

    All processes make their calls in one order, so that they count them alike.
    """
    from torch._C._distributed_c10d import PrefixStore  # not in a torch that was built without

    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"restart-{restart}/call-{next(_CALLS)}", _store(world))


@cache
def _store(world: int) -> Any:
    """Return this process's connection to the store that the group shares, the same one for all calls."""
    from torch._C._distributed_c10d import TCPStore

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # Under torchrun the agent already serves the store; a launcher of another kind leaves that to rank 0.
    serves = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and os.environ["RANK"] == "0"
    return TCPStore(host, port, world, is_master=serves, timeout=timedelta(minutes=10))
