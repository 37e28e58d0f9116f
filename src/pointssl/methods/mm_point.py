"""MM-Point: a cloud is contrasted with another copy of itself and with several rendered views at once.

Source: H.-T. Yu, M. Song, "MM-Point: Multi-View Information-Enhanced Multi-Modal Self-Supervised 3D Point Cloud
Understanding", AAAI 2024. The wiring of the heads follows the authors' figure; the number of views, the temperature,
the image encoder and the list of image changes are not public and are ours or CrossPoint's (docs/methods/mm-point.md).
"""

from dataclasses import dataclass, field
from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.image import ImageEncoder, ResNet, ResNetConfig
from pointssl.backbones.layers import mlp
from pointssl.data.augment import AugmentConfig, augment
from pointssl.data.views.augment import augment_views, level_atoms, standardise
from pointssl.methods.base import MethodConfig, PretextMethod, SeenViews
from pointssl.methods.pictures import PictureConfig, pictures
from pointssl.ops import contrastive
from pointssl.ops.batch_rng import Draws
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class MMPointConfig(MethodConfig):
    """Settings of the MM-Point pretext task."""

    views: int = 4
    """Rendered views of every cloud in each step (m); the figure draws four and dots."""
    heads: Literal["per_view", "two_head", "single"] = "per_view"
    """A pair of heads for every view (the figure), one pair for all views (the released weights), or one for all."""
    intra_dim: int = 512
    """Width of the space in which the two copies of a cloud are compared."""
    view_dim: int = 128
    """Width of the spaces in which clouds and views are compared."""
    hidden: tuple[int, int] = (1024, 512)
    """Width of the hidden layer of the clouds' heads, and of the images' heads."""
    temperature: float = 0.1
    """Softmax temperature: cosines are divided by it; CrossPoint's value."""
    intra_modal_negatives: bool = True
    """Where a cloud looks for its view, let other clouds be candidates too; and other views, where a view looks."""
    intra: float = 1.0
    """Weight of the contrast between the two copies of a cloud; 0 leaves it out."""
    inter: float = 1.0
    """Weight of the contrast between clouds and views; 0 leaves it out."""
    over_views: Literal["sum", "mean"] = "sum"
    """Add the contrasts of the views up, as the paper does, or take their mean: with the sum, more views weigh more."""
    levels: Literal["nested", "weakest", "strongest", "random"] = "nested"
    """Changes of views 1 to m: growing (the paper), all at level 1, all at level m, or drawn each time."""
    image: ResNetConfig = field(default_factory=ResNetConfig)
    """The image encoder, one for all views."""
    pictures: PictureConfig = field(default_factory=PictureConfig)
    """What the views show."""
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(scale=(0.5, 2.0), rotation="up", shift=0.5, jitter=0.01, dropout=0.875)
    )
    """Random changes of the two copies, each drawn on its own; CrossPoint's, but shifts in radii."""

    def __post_init__(self) -> None:
        require_finite(self)
        if self.views < 1:
            raise ValueError(f"views must be at least 1, got {self.views}")
        for name, width in (("intra_dim", self.intra_dim), ("view_dim", self.view_dim), ("hidden", min(self.hidden))):
            if width < 1:
                raise ValueError(f"{name} must be at least 1, got {width}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if min(self.intra, self.inter) < 0 or self.intra + self.inter == 0:
            raise ValueError(
                f"intra and inter must be at least 0 and one of them above, got {self.intra} and {self.inter}"
            )


@final
class MMPoint(PretextMethod):
    """The loss is in nats; what is kept is the cloud encoder alone."""

    def __init__(self, backbone: Backbone, config: MMPointConfig, image: ImageEncoder | None = None) -> None:
        """Put the method around `backbone`; `image` takes the place of the image encoder of the settings."""
        super().__init__()
        self.backbone, self.config = backbone, config
        self.view_kind = config.pictures.kind
        cloud, dim = (backbone.pooled_dim, config.hidden[0]), config.view_dim
        pairs = config.views if config.heads == "per_view" else 1
        self.intra_head = mlp((*cloud, config.intra_dim)) if config.intra and config.heads != "single" else None
        self.views = config.views if config.inter else 0
        self.image = None if not config.inter else image or ResNet(config.image)
        own = config.inter or config.heads == "single"
        self.cloud_heads = nn.ModuleList(mlp((*cloud, dim)) for _ in range(pairs if own else 0))
        shape = (self.image.dim, config.hidden[1], dim) if self.image is not None else ()
        self.image_heads = nn.ModuleList(mlp(shape, bias=False) for _ in range(pairs if shape else 0))

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; views that it does not bring are drawn from its points."""
        config = self.config
        draws = Draws.of_process(generator, len(batch.xyz))
        copies = torch.cat([augment(batch.xyz, config.augment, draws) for _ in range(2)])
        pooled: Tensor = self.backbone(copies).pooled
        loss, logs = torch.zeros((), device=pooled.device), {}
        if config.intra:
            head = self.cloud_heads[0] if self.intra_head is None else self.intra_head
            one, two = head(pooled).chunk(2)
            intra = contrastive.nt_xent(one, two, config.temperature)  # all candidates of both copies, as SimCLR
            loss = loss + config.intra * intra
            logs["intra"] = intra.detach()
            logs["bound_intra"] = contrastive.information_bound(one, two, config.temperature).mean()
        if config.inter:
            inter, bounds = self._against_views(batch, pooled, draws)
            loss = loss + config.inter * inter
            logs |= {"inter": inter.detach(), **bounds}
        return StepOutput(loss=loss, logs=logs)

    def see_views(self, batch: CloudBatch, draws: Draws) -> SeenViews:
        """Return the views before and after their changes, each with its level."""
        given = pictures(batch, self.config.views, self.config.pictures, draws)
        changed, level = self.change(given, draws)
        told = [[f"view {v + 1}, level {one}" for v, one in enumerate(row)] for row in level.tolist()]
        return SeenViews(given=given, changed=changed, captions=told)

    def _against_views(
        self, batch: CloudBatch, pooled: Float[Tensor, "c e"], draws: Draws
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the contrast with all views and, of each view and level, the bound on the shared information."""
        config, m = self.config, self.config.views
        assert self.image is not None
        changed, level = self.change(pictures(batch, m, config.pictures, draws), draws)
        images: Tensor = self.image(standardise(changed).flatten(0, 1)).unflatten(0, level.shape)
        total, bounds = torch.zeros((), device=pooled.device), []
        for view in range(m):
            # The first half of the views looks at the first copy, the rest at the second.
            copy = pooled.chunk(2)[0 if 2 * view < m else 1]
            pair = view if config.heads == "per_view" else 0
            of_cloud, of_image = self.cloud_heads[pair](copy), self.image_heads[pair](images[:, view])
            # Both directions are added, hence twice their mean.
            total = total + 2 * contrastive.nt_xent(
                of_cloud, of_image, config.temperature, intra_modal_negatives=config.intra_modal_negatives
            )
            bounds.append(contrastive.information_bound(of_cloud, of_image, config.temperature))
        bound = torch.stack(bounds, dim=1)  # (b, v)
        logs = {f"bound_view_{view + 1}": bound[:, view].mean() for view in range(m)}
        if config.levels == "random":  # else a view's level never changes, and its bound is its level's
            for step in range(1, m + 1):
                there = level.to(bound.device) == step
                logs[f"bound_level_{step}"] = bound[there].mean() if there.any() else bound.new_tensor(torch.nan)
        return (total / m if config.over_views == "mean" else total), logs

    def change(
        self, views: Float[Tensor, "b v c h w"], draws: Draws
    ) -> tuple[Float[Tensor, "b v c h w"], Int[Tensor, "b v"]]:
        """Return the views as the image encoder is to see them, in [0, 1], and the level of each."""
        level = self._levels(len(views), draws)
        on, strength = level_atoms(level, self.config.pictures.kind)
        return augment_views(views, on, strength, self.config.pictures.kind, draws), level

    def _levels(self, clouds: int, draws: Draws) -> Int[Tensor, "b v"]:
        """Return the strength of every view's changes, 1 to m."""
        m = self.config.views
        match self.config.levels:
            case "nested":
                return torch.arange(1, m + 1, device=draws.device).expand(clouds, m)
            case "random":
                return 1 + (draws.uniform(m) * m).long().clamp_max(m - 1)
            case "weakest" | "strongest" as which:
                return torch.full((clouds, m), 1 if which == "weakest" else m, device=draws.device)
