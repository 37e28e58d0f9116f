"""Auto-encoder: the pooled feature must hold enough to draw the cloud again.

Source: P. Achlioptas, O. Diamanti, I. Mitliagkas, L. Guibas, "Learning Representations and Generative Models for 3D
Point Clouds", ICML 2018: the auto-encoder of Latent-GAN, with the Chamfer loss and any encoder of ours.
"""

from dataclasses import dataclass
from typing import final

import torch

from pointssl.backbones.base import Backbone
from pointssl.backbones.decoders import FlatDecoder
from pointssl.methods.base import MethodConfig, PretextMethod
from pointssl.ops.chamfer import chamfer
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig(MethodConfig):
    """Settings of the plain auto-encoder."""

    points: int = 2048
    """Points that the decoder draws."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the decoder between the pooled feature and the coordinates."""

    def __post_init__(self) -> None:
        if self.points < 1 or not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"points and hidden must be positive, got {self.points} and {self.hidden}")


@final
class Autoencoder(PretextMethod):
    """The loss is the mean squared distance to the nearest point, both ways added, in squared cloud radii."""

    def __init__(self, backbone: Backbone, config: AutoencoderConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.decoder = FlatDecoder(backbone.pooled_dim, config.points, config.hidden)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:  # noqa: ARG002
        """Score one batch; there is no randomness in the method."""
        drawn = chamfer(self.decoder(self.backbone(batch.xyz).pooled), batch.xyz, squared=True)
        logs = {"to_cloud": drawn.forward.detach().mean(), "to_drawing": drawn.backward.detach().mean()}
        return StepOutput(loss=(drawn.forward + drawn.backward).mean(), logs=logs)
