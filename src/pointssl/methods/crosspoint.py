"""CrossPoint: two copies of a cloud are pulled together, and their mean towards one rendered view of it.

Source: M. Afham et al., "CrossPoint: Self-Supervised Cross-Modal Contrastive Learning for 3D Point Cloud
Understanding", CVPR 2022. The image encoder is a ResNet-18 by default, theirs a ResNet-50 (docs/methods/crosspoint.md).
"""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from pointssl.backbones.base import Backbone
from pointssl.backbones.image import ImageEncoder, ResNet, ResNetConfig
from pointssl.backbones.layers import mlp
from pointssl.data.augment import AugmentConfig, augment
from pointssl.data.views.augment import ATOMS, augment_views, standardise
from pointssl.methods.base import MethodConfig, PretextMethod, SeenViews
from pointssl.methods.pictures import PictureConfig, pictures
from pointssl.ops import contrastive
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput

CHANGES = ("flip", "jitter")
"""What may happen to the image of a cloud, every time, where its kind allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossPointConfig(MethodConfig):
    """Settings of the CrossPoint pretext task."""

    dim: int = 256
    """Width of the space in which everything is compared."""
    hidden: tuple[int, int] = (1024, 512)
    """Width of the hidden layer of the clouds' head, and of the images' head."""
    temperature: float = 0.1
    """Softmax temperature: cosines are divided by it."""
    image: ResNetConfig = field(default_factory=ResNetConfig)
    """The image encoder."""
    pictures: PictureConfig = field(default_factory=PictureConfig)
    """What the view shows."""
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(scale=(0.5, 2.0), rotation="up", shift=0.5, jitter=0.01, dropout=0.875)
    )
    """Random changes of the two copies, each drawn on its own; shifts in radii, theirs in extents of the cloud."""

    def __post_init__(self) -> None:
        require_finite(self)
        if min(self.dim, *self.hidden) < 1:
            raise ValueError(f"dim and hidden must be at least 1, got {self.dim} and {self.hidden}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")


@final
class CrossPoint(PretextMethod):
    """The loss is in nats; what is kept is the cloud encoder alone."""

    views = 1

    def __init__(self, backbone: Backbone, config: CrossPointConfig, image: ImageEncoder | None = None) -> None:
        """Put the method around `backbone`; `image` takes the place of the image encoder of the settings."""
        super().__init__()
        self.backbone, self.config = backbone, config
        self.view_kind = config.pictures.kind
        self.image = image or ResNet(config.image)
        self.cloud_head = mlp((backbone.pooled_dim, config.hidden[0], config.dim))
        self.image_head = mlp((self.image.dim, config.hidden[1], config.dim), bias=False)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; a view that it does not bring is drawn from its points."""
        config = self.config
        draws = Draws.of_process(generator, len(batch.xyz))
        copies = torch.cat([augment(batch.xyz, config.augment, draws) for _ in range(2)])
        one, two = self.cloud_head(self.backbone(copies).pooled).chunk(2)
        seen = self._see(batch, draws)
        intra = contrastive.nt_xent(one, two, config.temperature)
        middle = (one + two) / 2
        inter = contrastive.nt_xent(middle, seen, config.temperature)
        logs = {
            "intra": intra.detach(),
            "inter": inter.detach(),
            "bound_intra": contrastive.information_bound(one, two, config.temperature).mean(),
            "bound_view_1": contrastive.information_bound(middle, seen, config.temperature).mean(),
        }
        return StepOutput(loss=intra + inter, logs=logs)

    def change(self, views: Float[Tensor, "b v c h w"], draws: Draws) -> Float[Tensor, "b v c h w"]:
        """Return the views as the image encoder is to see them, in [0, 1]."""
        kind = self.config.pictures.kind
        always = torch.ones(views.shape[:2], device=views.device)
        on = {change: always.bool() for change in CHANGES if change in ATOMS[kind]}
        return augment_views(views, on, always, kind, draws)

    def see_views(self, batch: CloudBatch, draws: Draws) -> SeenViews:
        """Return the view before and after its changes."""
        given = pictures(batch, 1, self.config.pictures, draws)
        return SeenViews(given=given, changed=self.change(given, draws), captions=[["view 1"]] * len(given))

    def _see(self, batch: CloudBatch, draws: Draws) -> Tensor:
        """Return the projected view of every cloud."""
        views = self.change(pictures(batch, 1, self.config.pictures, draws), draws)
        projected: Tensor = self.image_head(self.image(standardise(views)[:, 0]))
        return projected
