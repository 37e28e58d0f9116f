"""Whether a file of weights is of the network that its settings describe, known before the network is built."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from pointssl.backbones import BackboneConfig, build_backbone
from pointssl.errors import RunError
from pointssl.memory import is_exhausted
from pointssl.runs import layout
from pointssl.runs.checkpoint import is_checkpoint
from pointssl.runs.weights import read_shapes

BACKBONE = "backbone."
"""What the names of the encoder's weights begin with in a checkpoint."""


def check_fitting(config: BackboneConfig, folder: Path) -> None:
    """Raise `RunError` unless the weights in `folder` are of the network that `config` describes, before it is built.

    The folder may be a stranger's: a few numbers in a config.json could otherwise take all memory before the file of
    weights is found not to fit.
    """
    check_layers(config, folder / layout.WEIGHTS)
    prefix = BACKBONE if is_checkpoint(folder) else ""
    check_shapes(lambda: build_backbone(config), folder / layout.WEIGHTS, prefix)


def check_layers(config: BackboneConfig, file: Path) -> None:
    """Raise `RunError` for more layers than there are tensors: even without memory they take long to make."""
    layers = sum(len(value) for value in asdict(config).values() if isinstance(value, tuple))  # type: ignore[call-overload, misc]
    found = len(read_shapes(file))
    if layers > found:
        raise RunError(f"{file} does not fit its config.json: {layers} layers in {found} tensors")


def check_shapes(build: Callable[[], nn.Module], file: Path, prefix: str = "") -> None:
    """Raise `RunError` unless what `build` makes, where tensors take no memory, has the names and shapes in `file`."""
    shapes = read_shapes(file)
    try:
        with torch.device("meta"):
            wanted = {f"{prefix}{name}": tuple(value.shape) for name, value in build().state_dict().items()}
    except RuntimeError as error:
        if not is_exhausted(error):
            raise
        raise RunError(f"{file} does not fit its config.json: {error}") from error
    wrong = [name for name, shape in wanted.items() if name in shapes and shape != shapes[name]]
    if wrong:
        name = wrong[0]
        count = f"{len(wrong)} of another shape ({name} is {shapes[name]}, the network has {wanted[name]})"
        raise RunError(f"{file} does not fit the network its config.json describes: {count}")
    missing = [name for name in wanted if name not in shapes]
    if missing:
        raise RunError(
            f"{file} does not fit the network its config.json describes: {len(missing)} missing ({missing[0]})"
        )
