"""FoldingNet: a square sheet, folded twice under the eyes of the code, must cover the cloud.

Source: Y. Yang, C. Feng, Y. Shen, D. Tian, "FoldingNet: Point Cloud Auto-encoder via Deep Grid Deformation", CVPR 2018.
The decoder and the loss are the paper's; the encoder is any of ours (docs/methods/folding.md).
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.decoders import FoldingDecoder
from pointssl.methods.base import MethodConfig, PretextMethod
from pointssl.ops.chamfer import chamfer
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldingConfig(MethodConfig):
    """Settings of the folding auto-encoder."""

    code: int = 512
    """Width of the code between the pooled feature and the folds."""
    side: int = 45
    """Points along each side of the sheet; it has side² of them."""
    half: float = 0.3
    """Half the width of the sheet, in cloud radii."""
    hidden: int = 512
    """Width of the two hidden layers of each fold."""

    def __post_init__(self) -> None:
        require_finite(self)
        if min(self.code, self.side, self.hidden) < 1:
            raise ValueError(f"code, side and hidden must be positive, got {self.code}, {self.side} and {self.hidden}")
        if self.half <= 0:
            raise ValueError(f"half must be positive, got {self.half}")


@final
class Folding(PretextMethod):
    """The loss is the larger of the two mean distances to the nearest point, in cloud radii."""

    def __init__(self, backbone: Backbone, config: FoldingConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.code = nn.Sequential(
            nn.Linear(backbone.pooled_dim, config.code), nn.ReLU(), nn.Linear(config.code, config.code)
        )
        self.decoder = FoldingDecoder(config.code, config.side, config.half, config.hidden)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:  # noqa: ARG002
        """Score one batch; there is no randomness in the method."""
        folded = chamfer(self.decoder(self.code(self.backbone(batch.xyz).pooled)), batch.xyz)
        logs = {"to_cloud": folded.forward.detach().mean(), "to_sheet": folded.backward.detach().mean()}
        return StepOutput(loss=torch.maximum(folded.forward, folded.backward).mean(), logs=logs)
