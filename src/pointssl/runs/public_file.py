"""Weight files of other projects, read without ever running what is in them.

A `.pth` file is a pickle, and a pickle is a program. It is opened by `torch.load(weights_only=True)`, which refuses
everything but tensors and plain containers, in a child process that writes the tensors to safetensors and ends; only
that file is read here. safetensors files are read as they are.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from torch import Tensor

from pointssl.errors import RunError
from pointssl.runs.weights import read_tensors

SECONDS = 300
"""Longest that the child may take."""
CONTAINERS = ("model_state_dict", "state_dict", "base_model", "model", "net")
"""Where training scripts keep the weights, beside optimisers and counters."""
_CHILD = """
import sys, torch
from safetensors.torch import save_file
found = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
for name in sys.argv[3:]:
    if isinstance(found, dict) and isinstance(found.get(name), dict):
        found = found[name]
if not isinstance(found, dict):
    sys.exit(f"it holds a {type(found).__name__}, no weights by name")
tensors = {str(k): v.detach().clone().contiguous() for k, v in found.items() if isinstance(v, torch.Tensor)}
save_file(tensors, sys.argv[2])
"""


def read_public(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a .pth, .pt, .t7 or .safetensors file by name; raises `RunError` for any other content."""
    file = Path(path)
    if not file.is_file():
        raise RunError(f"{file} does not exist; give the weight file that the project publishes")
    if file.suffix == ".safetensors":
        return _plain(read_tensors(file))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights.safetensors"
        command = [sys.executable, "-c", _CHILD, str(file.resolve()), str(out), *CONTAINERS]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)
        except subprocess.TimeoutExpired as error:
            raise RunError(f"{file} could not be read within {SECONDS} s") from error
        if done.returncode:
            raise RunError(f"{file} cannot be read as weights alone ({_reason(done.stderr)}); nothing in it was run")
        return _plain(read_tensors(out))


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what wrappers for several GPUs put before every name."""
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "Unsupported" in line or "Error" in line] or lines[-1:] or ["no reason given"]
    return telling[0][:160]
