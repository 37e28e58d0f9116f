"""Contrast of changed copies: two copies of a cloud must find each other among the copies of all others.

Source: T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020; the small
local crops beside the two copies are those of M. Caron et al., "Unsupervised Learning of Visual Features by Contrasting
Cluster Assignments", NeurIPS 2020. Differs: clouds for images, and local crops meet the copies in NT-Xent, not in
clusters (docs/methods/contrast.md). It is MM-Point without images, and the cheapest method here.
"""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.layers import mlp
from pointssl.data.augment import AugmentConfig, augment, local_crop
from pointssl.methods.base import MethodConfig, PretextMethod
from pointssl.ops import contrastive
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastConfig(MethodConfig):
    """Settings of the contrast between copies."""

    hidden: int = 1024
    """Width of the hidden layer of the head."""
    dim: int = 512
    """Width of the space in which copies are compared."""
    temperature: float = 0.1
    """Softmax temperature: cosines are divided by it."""
    local_crops: int = 0
    """Small neighbourhoods of each cloud that look for its two copies as well; 0 leaves them out."""
    local_share: float = 0.25
    """Share of the points that a local crop holds; its cost falls with it."""
    local_weight: float = 1.0
    """Weight of the local crops' mean contrast beside that of the copies."""
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(
            axis_scale=(2 / 3, 3 / 2), rotation="up", shift=0.2, jitter=0.01, dropout=0.5, crop=0.3
        )
    )
    """Random changes of every copy, each drawn on its own; local crops are spared `crop` and `region`."""

    def __post_init__(self) -> None:
        require_finite(self)
        if min(self.hidden, self.dim) < 1:
            raise ValueError(f"hidden and dim must be at least 1, got {self.hidden} and {self.dim}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if self.local_crops < 0:
            raise ValueError(f"local_crops must be at least 0, got {self.local_crops}")
        if not 0 < self.local_share <= 1:
            raise ValueError(f"local_share must be above 0 and at most 1, got {self.local_share}")
        if self.local_weight <= 0:
            raise ValueError(f"local_weight must be positive, got {self.local_weight}; local_crops 0 leaves them out")


@final
class Contrast(PretextMethod):
    """The loss is in nats; what is kept is the encoder without the head."""

    def __init__(self, backbone: Backbone, config: ContrastConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.head = mlp((backbone.pooled_dim, config.hidden, config.dim))

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch of two clouds or more."""
        config = self.config
        draws = Draws.of_process(generator, len(batch.xyz))
        one, two = self._project([augment(batch.xyz, config.augment, draws) for _ in range(2)])
        copies = contrastive.nt_xent(one, two, config.temperature)
        logs = {
            "copies": copies.detach(),
            "bound_intra": contrastive.information_bound(one, two, config.temperature).mean(),
        }
        if not config.local_crops:
            return StepOutput(loss=copies, logs=logs)
        least = self.backbone.min_points
        crops = [
            local_crop(batch.xyz, config.local_share, least, config.augment, draws) for _ in range(config.local_crops)
        ]
        small = self._project(crops)
        pairs = [contrastive.nt_xent(crop, copy, config.temperature) for crop in small for copy in (one, two)]
        local = torch.stack(pairs).mean()
        logs["local"] = local.detach()
        return StepOutput(loss=copies + config.local_weight * local, logs=logs)

    def _project(self, copies: list[Float[Tensor, "b n 3"]]) -> tuple[Float[Tensor, "b d"], ...]:
        """Encode copies of one size together and return the projection of each."""
        projected: Tensor = self.head(self.backbone(torch.cat(copies)).pooled)
        return projected.chunk(len(copies))
