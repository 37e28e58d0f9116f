"""The contract of every pretext task: a batch of unlabelled clouds in, a loss out."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from pointssl.backbones.base import Backbone
from pointssl.data.views.augment import Kind
from pointssl.types import CloudBatch, StepOutput


class MethodConfig:
    """Base of the settings of every method, each a frozen dataclass."""

    __slots__ = ()


class PretextMethod(nn.Module, ABC):
    """Owns the backbone that is kept and whatever is thrown away after pre-training."""

    backbone: Backbone
    views: int = 0
    """Rendered views of every cloud that a step works with; 0 for methods of clouds alone."""
    view_kind: Kind | None = None
    """What those views show; None for methods of clouds alone."""

    @abstractmethod
    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; the loss is computed here, in float32, so that any wrapper can be put around it.

        `generator` drives every random choice of the method; methods without randomness ignore it.
        """

    def after_step(self, progress: float) -> None:
        """Update what follows the weights (EMA teachers, ramps); `progress` runs from 0 to 1 over training."""
