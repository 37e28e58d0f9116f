"""Tensors to one safetensors file and back, and a readable account of what does not fit a network."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pointssl.errors import RunError

_SHOWN = 4
_CHECKSUM = "pointssl.sha256"


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors from any device; the caller makes the folder around the file atomic.

    The bytes go through Python, because the library's own writer hides a full disk behind an error without a number.
    A checksum of names, shapes and numbers goes into the file's own metadata and travels wherever the file does.
    """
    apart = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    header, data = _parts(safetensors.torch.save(apart))
    told = json.dumps(header | {"__metadata__": {_CHECKSUM: _checksum(header, data)}}, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)
    with path.open("wb") as stream:
        stream.write(len(told).to_bytes(8, "little"))
        stream.write(told)
        stream.write(data)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors to the CPU; nothing in the file is ever run. Raises `RunError` for a missing or broken file."""
    try:
        content = path.read_bytes()
        tensors = safetensors.torch.load(content)
        header, data = _parts(content)
        known = header.pop("__metadata__", {}).get(_CHECKSUM)
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing; the folder is half written or not a checkpoint") from error
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read as safetensors ({error}); it is damaged or half copied") from error
    if known is not None and known != _checksum(header, data):
        raise RunError(f"{path} has changed since it was written (its checksum differs); bring back a good copy")
    return tensors


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor in a file from its header alone; raises `RunError` where there is none."""
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read as safetensors ({error}); it is damaged or half copied") from error


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Split a safetensors file into its header and its numbers."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), memoryview(content)[8 + size :]


def _checksum(header: Mapping[str, Any], data: memoryview) -> str:
    told = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    told.update(data)
    return told.hexdigest()


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Put `tensors` into `module`; raises `RunError` with a report of the keys where names or shapes differ."""
    report = key_report(module.state_dict(), tensors)
    if report:
        raise RunError(f"{where} does not fit the network its config.json describes: {report}")
    module.load_state_dict(dict(tensors))


def key_report(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Say which names and shapes differ between a network's tensors and a file's; empty where all fit."""
    shapes = [
        f"{name} is {tuple(found[name].shape)}, the network has {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    parts = (("of another shape", shapes), ("missing", missing), ("unknown", extra))
    return "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in parts if names)


def digest(model: nn.Module) -> str:
    """Return a hex digest of a network: its layers, their plain settings (k, widths, slopes) and all weights."""
    hashed = hashlib.sha256()
    for name, module in model.named_modules():
        plain = {k: v for k, v in vars(module).items() if isinstance(v, int | float | str | tuple) and k != "training"}
        hashed.update(f"{name} {type(module).__qualname__} {sorted(plain.items())}\n".encode())
    for name, tensor in model.state_dict().items():
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """Return the optimiser's memory, named `<what>/<parameter>`; its settings are the config's, not stored again."""
    return {
        f"{what}/{names[parameter]}": value if isinstance(value, Tensor) else torch.tensor(float(value))
        for parameter, memory in optimizer.state.items()
        for what, value in memory.items()
        if value is not None
    }


def load_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str], tensors: Mapping[str, Tensor], where: Path
) -> None:
    """Give a fresh optimiser the memory that `optimizer_tensors` returned."""
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    number = {names[parameter]: index for index, parameter in enumerate(order)}
    memory: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        what, _, name = key.partition("/")
        if name not in number:
            raise RunError(f"{where} holds the memory of '{name}', which the network does not have")
        memory.setdefault(number[name], {})[what] = tensor
    optimizer.load_state_dict({"state": memory, "param_groups": optimizer.state_dict()["param_groups"]})


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
