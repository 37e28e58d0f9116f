"""Point-MAE: most patches of a cloud are hidden, and from the few that are seen the points of the others are drawn.

Source: Y. Pang, W. Wang, F. E. H. Tay, W. Liu, Y. Tian, L. Yuan, "Masked Autoencoders for Point Cloud Self-supervised
Learning", ECCV 2022. Differs: the patches are those of our transformer, whose first centre is not random
(docs/methods/point-mae.md).
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.patch_transformer import PatchTransformer, require_patches
from pointssl.backbones.transformer import Transformer
from pointssl.errors import SettingError
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.ops.batch_rng import Draws
from pointssl.ops.chamfer import chamfer
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class PointMAEConfig(MethodConfig):
    """Settings of masked auto-encoding."""

    mask: float = 0.6
    """Share of the patches that are hidden, rounded down to whole patches."""
    depth: int = 4
    """Blocks of the decoder, which is thrown away."""
    heads: int = 6
    """Heads of the decoder's attention; its width is the encoder's."""
    drop_path: float = 0.1
    """Share of branches dropped in the decoder's last block while training; it rises from 0 with depth."""

    def __post_init__(self) -> None:
        if not 0 < self.mask < 1:
            raise ValueError(f"mask must be between 0 and 1, got {self.mask}")
        if min(self.depth, self.heads) < 1:
            raise ValueError(f"depth and heads must be at least 1, got {self.depth} and {self.heads}")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path must be at least 0 and below 1, got {self.drop_path}")


@final
class PointMAE(PretextMethod):
    """The loss is the Chamfer distance of each hidden patch, in squared cloud radii, both directions added."""

    figures: ClassVar = (
        Figure("to_patch", "Drawn points from the hidden patch", "squared cloud radii", logarithmic=True),
        Figure("to_drawing", "Hidden patch from the drawn points", "squared cloud radii", logarithmic=True),
    )
    backbone: PatchTransformer

    def __init__(self, backbone: Backbone, config: PointMAEConfig) -> None:
        super().__init__()
        self.backbone, self.config = require_patches(backbone, "point-mae"), config
        sizes = self.backbone.config
        self.hidden = int(config.mask * sizes.patches)
        if not self.hidden:
            raise SettingError(
                f"method.mask {config.mask} hides none of {sizes.patches} patches; hide a larger share, or cut more "
                "patches (backbone.patches)"
            )
        if sizes.width % config.heads:
            raise SettingError(f"method.heads is {config.heads}, but must divide backbone.width, {sizes.width}")
        self.mask_token = nn.Parameter(torch.zeros(sizes.width))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.decoder = Transformer(sizes.width, config.depth, config.heads, config.drop_path)
        self.draw = nn.Linear(sizes.width, 3 * sizes.patch_points)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch, other patches hidden of each cloud."""
        encoder, draws = self.backbone, Draws.of_process(generator, len(batch.xyz))
        patches = encoder.cut(batch.xyz)
        seen, hidden = self.split(draws)
        seen, hidden = seen.to(batch.xyz.device), hidden.to(batch.xyz.device)
        visible = patches.take(seen)
        tokens = encoder.encode(encoder.embed(visible), visible.centre)
        truth = patches.take(hidden)
        drawn = self.decode(tokens, visible.centre, truth.centre)
        distance = chamfer(drawn.flatten(0, 1), truth.local.flatten(0, 1), squared=True)
        logs = {"to_patch": distance.forward.detach().mean(), "to_drawing": distance.backward.detach().mean()}
        return StepOutput(loss=(distance.forward + distance.backward).mean(), logs=logs)

    def split(self, draws: Draws) -> tuple[Int64[Tensor, "b v"], Int64[Tensor, "b h"]]:
        """Return which patches of each cloud are seen, and which are hidden."""
        order = draws.uniform(self.backbone.config.patches).argsort(dim=1)
        return order[:, self.hidden :], order[:, : self.hidden]

    def decode(
        self, tokens: Float[Tensor, "b v d"], centre: Float[Tensor, "b v 3"], hidden: Float[Tensor, "b h 3"]
    ) -> Float[Tensor, "b h s 3"]:
        """Draw the points around the centres `hidden` from the tokens of the patches around `centre`."""
        asked = self.mask_token.to(tokens.dtype).expand(*hidden.shape[:2], -1)
        said = self.decoder(torch.cat([tokens, asked], dim=1), torch.cat([centre, hidden], dim=1))
        drawn: Tensor = self.draw(said[:, tokens.shape[1] :])
        return drawn.view(*hidden.shape[:2], -1, 3)
