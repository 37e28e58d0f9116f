"""A teacher: a copy of a student whose weights follow the student's slowly, and that no gradient reaches.

It is a module of its method, so that checkpoints hold it and a resumed run goes on with the same bits; it is no part of
the encoder, which alone is kept afterwards.

Sources: A. Tarvainen, H. Valpola, "Mean teachers are better role models", NeurIPS 2017; the momentum that rises along a
cosine is that of J.-B. Grill et al., "Bootstrap your own latent", NeurIPS 2020.
"""

import copy
import math
from typing import TypeVar

import torch
from torch import nn

from pointssl.backbones.layers import Dropout, DropPath

N = TypeVar("N", bound=nn.Module)


def teacher_of(student: N) -> N:
    """Return a copy without gradients that drops nothing.

    Its norms use the batch's statistics while training, as the student's do, and keep running ones of their own.
    """
    teacher = copy.deepcopy(student).requires_grad_(requires_grad=False)
    for module in teacher.modules():
        if isinstance(module, DropPath | Dropout):
            module.share = 0.0
        elif isinstance(module, nn.Dropout):
            module.p = 0.0
    return teacher


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Move every weight of the teacher towards the student's: momentum · teacher + (1 - momentum) · student."""
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        slow.lerp_(fast, 1 - momentum)


def match(teacher: nn.Module, student: nn.Module) -> None:
    """Give the teacher the student's weights and running statistics, as at the start."""
    teacher.load_state_dict(student.state_dict())


def momentum_at(progress: float, start: float, end: float = 1.0) -> float:
    """Return the momentum at a share of the run: from `start` to `end` along half a cosine."""
    return end - (end - start) * (1 + math.cos(math.pi * progress)) / 2
