"""A network like another one, with weights of its own: how a network that somebody passed gets an untrained copy."""

import copy
from typing import TypeVar

from torch import nn

from pointssl.errors import RunError

N = TypeVar("N", bound=nn.Module)


def copied(network: N) -> N:
    """Return a copy on the CPU; the network itself stays where and as it is."""
    return copy.deepcopy(network).cpu()


def redrawn(network: N) -> N:
    """Return a copy with fresh weights from torch's current random state, each drawn by the layer that holds it.

    Raises:
        RunError: a layer has weights but no `reset_parameters`, torch's name for drawing them again.
    """
    fresh = copied(network)
    for name, module in fresh.named_modules():
        # nn.MultiheadAttention and nn.Transformer have theirs under a private name.
        reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
        if reset is not None:
            reset()
        elif any(True for _ in module.parameters(recurse=False)):
            raise RunError(
                f"the layer '{name}' ({type(module).__name__}) has weights that cannot be drawn again for the "
                "random-init baseline: give it a method reset_parameters()"
            )
    return fresh
