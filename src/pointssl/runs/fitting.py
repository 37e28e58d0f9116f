"""Whether a file of weights is of the network that its settings describe, known before the network is built."""

from dataclasses import asdict
from pathlib import Path

import torch

from pointssl.backbones import BackboneConfig, build_backbone
from pointssl.errors import RunError
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
    file = folder / layout.WEIGHTS
    shapes = read_shapes(file)
    layers = sum(len(value) for value in asdict(config).values() if isinstance(value, tuple))  # type: ignore[call-overload, misc]
    if layers > len(shapes):
        raise RunError(f"{file} does not fit its config.json: {layers} layers in {len(shapes)} tensors")
    prefix = BACKBONE if is_checkpoint(folder) else ""
    with torch.device("meta"):
        wanted = {f"{prefix}{name}": value.shape for name, value in build_backbone(config).state_dict().items()}
    wrong = [name for name, shape in wanted.items() if name in shapes and tuple(shape) != shapes[name]]
    if wrong:
        name = wrong[0]
        count = f"{len(wrong)} of another shape ({name} is {shapes[name]}, the network has {tuple(wanted[name])})"
        raise RunError(f"{file} does not fit the network its config.json describes: {count}")
    missing = [name for name in wanted if name not in shapes]
    if missing:
        raise RunError(
            f"{file} does not fit the network its config.json describes: {len(missing)} missing ({missing[0]})"
        )
