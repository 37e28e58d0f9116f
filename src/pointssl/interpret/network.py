"""What is asked of a classifier before it is believed: finite logits, the same ones twice, for the classes at hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.modes import evaluating
from pointssl.errors import DataError, RunError, SettingError

STEADY = 1e-4
"""Largest difference of two calls, as a share of the largest logit: kernels may round, dropout differs far more."""


@contextmanager
def measuring(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Put `network` on `device` in evaluation mode, without gradients; every part gets its own mode back."""
    network.to(device)
    with evaluating(network), torch.no_grad():
        yield


def logits_of(network: nn.Module, xyz: Float[Tensor, "b n 3"]) -> Float[Tensor, "b k"]:
    """Return the network's logits; raises `SettingError` for anything but one row of at least two per cloud."""
    logits: Any = network(xyz)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(xyz) or logits.shape[1] < 2:
        got = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise SettingError(
            f"a classifier must map clouds ({len(xyz)}, points, 3) to logits ({len(xyz)}, classes), got {got}; "
            "wrap it in a module that does"
        )
    return logits.float()


def check_steady(network: nn.Module, xyz: Float[Tensor, "b n 3"], name: str) -> None:
    """Raise `RunError` where two calls with the same clouds give different logits, as dropout inside `forward` does."""
    first, second = logits_of(network, xyz), logits_of(network, xyz)
    size = float(first.abs().max().clamp_min(1e-12))
    differ = float((first - second).abs().max()) / size
    if differ > STEADY:
        raise RunError(
            f"{name} gives other logits when it is called again (they differ by {differ:.1%}): something random is on "
            "in evaluation mode, such as dropout called with training=True; switch it off"
        )


def check_classes(name: str, outputs: int, own: Sequence[str], data: str, classes: Sequence[str], most: int) -> None:
    """Raise `DataError` unless the network's classes are the data's.

    Args:
        name: the network.
        outputs: width of its logits.
        own: its class names, empty where it has none.
        data: the data set.
        classes: the data's class names, empty where it has none.
        most: largest label in the data.
    """
    if own and classes and tuple(own) != tuple(classes):
        extra = sorted(set(own) ^ set(classes))
        what = f"they differ in {', '.join(extra[:5])}" if extra else "the same names in another order"
        raise DataError(f"the classes of {name} are not those of {data}: {what}; give the data it was trained on")
    if outputs != len(classes) if classes else most >= outputs:
        there = f"{len(classes)} classes" if classes else f"labels up to {most}"
        raise DataError(
            f"{name} tells {outputs} classes apart, but {data} has {there}; give the data it was trained on"
        )
