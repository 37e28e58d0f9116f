"""The whitening that travels with an encoder: fitted once on unlabelled clouds, kept beside the weights.

run/encoder/whitening.safetensors     mean (d,), turn (d, e) in float64, and the digest of the weights it belongs to
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from pointssl.errors import RunError
from pointssl.files import atomic_file
from pointssl.ops.whitening import Whitening
from pointssl.runs import layout, shipped
from pointssl.runs.checkpoint import is_checkpoint
from pointssl.runs.run import Run
from pointssl.runs.weights import read_tensors, write_tensors


def read_whitening(run: Run, dim: int) -> Whitening:
    """Return the whitening of a run's encoder, whose features are `dim` wide; raises `RunError` where there is none."""
    file = folder_of(run) / layout.WHITENING
    if not file.is_file():
        raise RunError(
            f"{run.folder} has no whitening; fit one on unlabelled clouds: pointssl whiten {run.folder} --data CLOUDS, "
            "or whiten what is embedded by its own clouds: --whiten own"
        )
    tensors = read_tensors(file)
    mean, turn, weights = (tensors.get(name) for name in ("mean", "turn", "weights"))
    again = f"fit it again: pointssl whiten {run.folder} --data CLOUDS"
    if mean is None or turn is None or mean.shape != (dim,) or turn.ndim != 2 or len(turn) != dim:
        raise RunError(f"{file} does not fit features of {dim} numbers; {again}")
    if weights is None or not torch.equal(weights, _digest(file.parent)):
        raise RunError(f"{file} was fitted to other weights than those beside it; {again}")
    return Whitening(mean=mean.double().numpy(), turn=turn.double().numpy())


def place_for(run: Run) -> Path:
    """Return the file in which a whitening of a run is kept; raises `RunError` where none can be kept."""
    folder = folder_of(run)
    if is_checkpoint(folder):
        raise RunError(f"{folder} is a checkpoint; a whitening travels with a finished encoder: give the run")
    if folder.parent == shipped.FOLDER:
        raise RunError(f"{run.name} belongs to the package; copy its folder {folder} first, and whiten the copy")
    if not (folder / layout.WEIGHTS).is_file():
        raise RunError(f"{run.folder} has no finished encoder yet; finish it with `{run.resume_command}`")
    return folder / layout.WHITENING


def write_whitening(whitening: Whitening, file: Path) -> None:
    """Write a whitening to the place of its run, atomically, with the digest of the weights beside it."""
    tensors = {"mean": torch.from_numpy(whitening.mean), "turn": torch.from_numpy(whitening.turn)}
    tensors["weights"] = _digest(file.parent)
    with atomic_file(file) as partial:
        write_tensors(partial, tensors)


def folder_of(run: Run) -> Path:
    """Return the encoder folder of a run, or the folder itself where it is one."""
    return run.folder / layout.ENCODER if layout.is_finished(run.folder) else run.folder


def _digest(folder: Path) -> UInt8[Tensor, "32"]:
    """Return the digest of an encoder's weights: features of others would be whitened into noise without a word."""
    digest = hashlib.sha256((folder / layout.WEIGHTS).read_bytes()).digest()
    return torch.frombuffer(bytearray(digest), dtype=torch.uint8)
