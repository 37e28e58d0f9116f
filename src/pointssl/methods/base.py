"""The contract of every pretext task: a batch of unlabelled clouds in, a loss out.

A method also owns what pages show of it: which of its logged figures are worth a curve, what it makes of one shape, and
the views that it contrasts. Whatever draws asks for these three and never which method it has.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.data.views.augment import Kind
from pointssl.ops.batch_rng import Draws
from pointssl.ops.mixture import Mixture
from pointssl.types import CloudBatch, StepOutput


class MethodConfig:
    """Base of the settings of every method, each a frozen dataclass."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One logged figure that is worth a curve."""

    key: str
    title: str
    unit: str
    logarithmic: bool = False
    """Drawn on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a method makes of one shape."""

    features: Float[Tensor, "n d"]
    """What a point is compared with others by."""
    assignment: Float[Tensor, "n j"] | None = None
    """Share of each point in each part, where the method divides shapes into parts."""
    mixture: Mixture | None = None
    """One Gaussian per part, of a batch of one."""


@dataclass(frozen=True, slots=True)
class SeenViews:
    """The views of some clouds as they are given, and as the image encoder gets to see them, in [0, 1]."""

    given: Float[Tensor, "b v c h w"]
    changed: Float[Tensor, "b v c h w"]
    captions: list[list[str]]
    """Of every view of every cloud."""


class PretextMethod(nn.Module, ABC):
    """Owns the backbone that is kept and whatever is thrown away after pre-training."""

    backbone: Backbone
    views: int = 0
    """Rendered views of every cloud that a step works with; 0 for methods of clouds alone."""
    view_kind: Kind | None = None
    """What those views show; None for methods of clouds alone."""
    min_points: int = 1
    """Fewest points per cloud that the task itself can be set with; the backbone may need more."""
    figures: ClassVar[tuple[Figure, ...]] = ()
    """Curves of the run page, beside the loss and the spread of the features."""

    @classmethod
    def curves(cls, config: MethodConfig) -> tuple[Figure, ...]:  # noqa: ARG003
        """Return the curves of a run with these settings: `figures`, unless the settings decide what is logged."""
        return cls.figures

    @abstractmethod
    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; the loss is computed here, in float32, so that any wrapper can be put around it.

        `generator` drives every random choice of the method; methods without randomness ignore it.
        """

    def explain(self, xyz: Float[Tensor, "1 n 3"]) -> Explanation:
        """Return what the method makes of one shape; the backbone's point features where it has no more to say."""
        return explained_by(self.backbone, xyz)

    def see_views(self, batch: CloudBatch, draws: Draws) -> SeenViews:
        """Return the views that a step would work with; only of methods with `views`."""
        raise NotImplementedError(f"{type(self).__name__} works with clouds alone")

    def warning(self) -> str | None:
        """Return one line when the task itself cannot be going well; asked whenever the features are looked at."""
        return None

    def after_step(self, progress: float) -> None:
        """Update what follows the weights (EMA teachers, ramps); `progress` runs from 0 to 1 over training."""

    def after_load(self) -> None:
        """Take note that the backbone was given other weights before training began: teachers begin there as well."""


def explained_by(backbone: Backbone, xyz: Float[Tensor, "1 n 3"]) -> Explanation:
    """Return what an encoder alone says of the points of one shape."""
    return Explanation(features=backbone(xyz).points[0])
