"""Which device a network runs on: one answer for every command."""

import torch

from pointssl.errors import SettingError


def choose_device(name: str | None, local_rank: int = 0) -> torch.device:
    """Return the device called `name`, or by default the GPU of this process where there is one, else the CPU."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingError(f"device must be cpu, cuda or cuda:NUMBER, got '{name}'") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise SettingError(f"device is '{name}', but torch finds no GPU here; use cpu")
        if device.index is None:
            device = torch.device("cuda", local_rank)
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise SettingError(f"device is '{device}', but there are {torch.cuda.device_count()} GPUs")
    return device
