"""STRL: what a slowly moving teacher says of one changed copy of a cloud is predicted from another copy.

Source: S. Huang, Y. Xie, S.-C. Zhu, Y. Zhu, "Spatio-temporal Self-Supervised Representation Learning for 3D Point
Clouds", ICCV 2021, which is BYOL on clouds: J.-B. Grill et al., "Bootstrap your own latent", NeurIPS 2020. Differs:
Adam without LARS, a few changes of the copies (docs/methods/strl.md).
"""

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import mlp
from pointssl.data.augment import AugmentConfig, augment
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.methods.teacher import follow, match, momentum_at, teacher_of
from pointssl.ops.batch_rng import Draws
from pointssl.ops.contrastive import unit
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class STRLConfig(MethodConfig):
    """Settings of STRL."""

    hidden: int = 4096
    """Width of the hidden layer of projector and predictor."""
    dim: int = 256
    """Width of the space in which copies are compared."""
    momentum: float = 0.996
    """Of the teacher at the beginning; it rises to 1."""
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(
            region=(0.6, 1.0),
            crop=0.1,
            tilt=0.06,
            scale=(0.8, 1.25),
            recentre=True,
            shift=0.1,
            jitter=0.01,
            dropout=0.875,
        )
    )
    """Random changes of the two copies, each drawn on its own."""

    def __post_init__(self) -> None:
        if min(self.hidden, self.dim) < 1:
            raise ValueError(f"hidden and dim must be at least 1, got {self.hidden} and {self.dim}")
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum must be between 0 and 1, got {self.momentum}")


@final
class STRL(PretextMethod):
    """The loss is 2 - 2 cos of prediction and target, both ways added, from 0 to 8."""

    figures: ClassVar = (Figure("cosine", "Prediction and teacher", "cosine"),)

    def __init__(self, backbone: Backbone, config: STRLConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.projector = mlp((backbone.pooled_dim, config.hidden, config.dim))
        self.predictor = mlp((config.dim, config.hidden, config.dim))
        self.teacher, self.teacher_projector = teacher_of(backbone), teacher_of(self.projector)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch."""
        draws = Draws.of_process(generator, len(batch.xyz))
        copies = torch.cat([augment(batch.xyz, self.config.augment, draws) for _ in range(2)])
        predicted = self.predictor(self.projector(self.backbone(copies).pooled))
        with torch.no_grad():
            target = self.teacher_projector(self.teacher(copies).pooled)
        cosine = agreement(predicted, target)
        return StepOutput(loss=(2 - 2 * cosine).sum(), logs={"cosine": cosine.detach().mean()})

    def after_step(self, progress: float) -> None:
        """Let the teacher follow."""
        momentum = momentum_at(progress, self.config.momentum)
        follow(self.teacher, self.backbone, momentum)
        follow(self.teacher_projector, self.projector, momentum)

    def after_load(self) -> None:
        """Let the teacher begin where the encoder does."""
        match(self.teacher, self.backbone)


def agreement(predicted: Float[Tensor, "c d"], target: Float[Tensor, "c d"]) -> Float[Tensor, "2"]:
    """Return the mean cosine of the first copies' predictions with the second copies' targets, and the other way."""
    with torch.autocast(predicted.device.type, enabled=False):
        (first, second), (one, two) = unit(predicted).chunk(2), unit(target).chunk(2)
        return torch.stack([(first * two).sum(dim=1).mean(), (second * one).sum(dim=1).mean()])
