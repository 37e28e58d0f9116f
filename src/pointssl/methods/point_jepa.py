"""Point-JEPA: from some patches of a cloud, what a teacher says of other blocks of its patches is predicted.

Source: A. Saito, P. Kudeshia, J. Poovvancheri, "Point-JEPA: A Joint Embedding Predictive Architecture for
Self-Supervised Learning on Point Cloud", WACV 2025; consulted for its settings: the authors' repository. Nothing is
drawn, so that the encoder need not know where every point lies (docs/methods/point-jepa.md).
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.backbones.patch_transformer import PatchTransformer, require_patches, take
from pointssl.backbones.transformer import Transformer, TruncatedLinear
from pointssl.errors import SettingError
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.methods.teacher import follow, match, momentum_at, teacher_of
from pointssl.ops.batch_rng import Draws
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class PointJEPAConfig(MethodConfig):
    """Settings of joint-embedding prediction."""

    targets: int = 4
    """Blocks of patches that are predicted, each by itself."""
    target: tuple[float, float] = (0.15, 0.2)
    """Range of a block's share of all patches, one share for a whole batch."""
    context: tuple[float, float] = (0.4, 0.75)
    """Range of the share of the remaining patches that the encoder sees."""
    width: int = 192
    """Width of the predictor, which is thrown away."""
    depth: int = 6
    """Blocks of the predictor."""
    heads: int = 6
    """Heads of the predictor's attention."""
    drop_path: float = 0.25
    """Share of branches dropped in the predictor's last block while training; it rises from 0 with depth."""
    momentum: tuple[float, float] = (0.9995, 0.99999)
    """Of the teacher, at the beginning and at the end."""

    def __post_init__(self) -> None:
        if min(self.targets, self.width, self.depth, self.heads) < 1:
            raise ValueError(
                f"targets, width, depth and heads must be at least 1, got {self.targets}, {self.width}, {self.depth} "
                f"and {self.heads}"
            )
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads ({self.heads}), got {self.width}")
        for name, share in (("target", self.target), ("context", self.context)):
            if not 0 < share[0] <= share[1] <= 1:
                raise ValueError(f"{name} must be two shares above 0 and at most 1, the smaller first, got {share}")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path must be at least 0 and below 1, got {self.drop_path}")
        if not 0 <= self.momentum[0] <= self.momentum[1] <= 1:
            raise ValueError(f"momentum must be two numbers of 0 to 1, the smaller first, got {self.momentum}")


@final
class PointJEPA(PretextMethod):
    """The loss is the smooth L1 distance to the teacher's tokens, each of mean 0 and variance 1."""

    figures: ClassVar = (
        Figure("target_std", "Spread of the teacher's tokens", "standard deviation over patches"),
        Figure("prediction_std", "Spread of the predictions", "standard deviation over patches"),
    )
    backbone: PatchTransformer

    def __init__(self, backbone: Backbone, config: PointJEPAConfig) -> None:
        super().__init__()
        self.backbone, self.config = require_patches(backbone, "point-jepa"), config
        sizes = self.backbone.config
        if sizes.patches < 1 + config.targets * max(1, int(config.target[1] * sizes.patches)):
            raise SettingError(
                f"method.targets {config.targets} of up to {config.target[1]:g} of {sizes.patches} patches may leave "
                "none to see; predict fewer or smaller blocks, or cut more patches (backbone.patches)"
            )
        self.teacher = teacher_of(self.backbone.encoder)
        self.into = TruncatedLinear(sizes.width, config.width)
        self.asked = nn.Parameter(torch.zeros(config.width))
        nn.init.trunc_normal_(self.asked, std=0.02)
        self.predictor = Transformer(config.width, config.depth, config.heads, config.drop_path)
        self.out = TruncatedLinear(config.width, sizes.width)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch; where blocks and context lie in the order of patches is one draw for all its clouds."""
        encoder = self.backbone
        patches = encoder.cut(batch.xyz)
        patches = patches.take(in_sequence(patches.centre))
        tokens, centre = encoder.embed(patches), patches.centre
        block, context = self.blocks(Draws.of_process(generator, len(tokens)))
        with torch.no_grad():
            said = self.teacher(tokens.detach(), centre)
        block, context = (places.to(centre.device).expand(len(tokens), -1) for places in (block.flatten(), context))
        seen, where = take(tokens, context), take(centre, context)
        memory: Tensor = self.into(encoder.encode(seen, where))
        asked = take(centre, block).chunk(self.config.targets, dim=1)
        predicted = torch.cat([self.predict(memory, where, one) for one in asked], dim=1)
        with torch.autocast(predicted.device.type, enabled=False):
            wanted = take(nn.functional.layer_norm(said.float(), said.shape[-1:]), block)
            loss = nn.functional.smooth_l1_loss(predicted.float(), wanted)
        spread = {"target_std": wanted, "prediction_std": predicted.detach().float()}
        return StepOutput(loss=loss, logs={name: x.flatten(0, 1).std(dim=0).mean() for name, x in spread.items()})

    def blocks(self, draws: Draws) -> tuple[Int64[Tensor, "m k"], Int64[Tensor, " c"]]:
        """Return places in the order of patches: of the blocks to predict, and of the patches that are seen.

        Blocks are runs of neighbours and may overlap; the context is a run of what none of them holds.
        """
        config, patches = self.config, self.backbone.config.patches
        chance = torch.rand(config.targets + 3, generator=draws.generator, device=draws.device).tolist()
        size = max(1, int(_between(chance[0], config.target) * patches))
        starts = torch.tensor([int(one * (patches - size + 1)) for one in chance[3:]])
        block = starts[:, None] + torch.arange(size)
        free = torch.ones(patches, dtype=torch.bool)
        free[block.flatten()] = False
        rest = free.nonzero()[:, 0]
        count = max(1, int(_between(chance[1], config.context) * len(rest)))
        first = int(chance[2] * (len(rest) - count + 1))
        return block, rest[first : first + count]

    def predict(
        self, memory: Float[Tensor, "b c e"], where: Float[Tensor, "b c 3"], centre: Float[Tensor, "b k 3"]
    ) -> Float[Tensor, "b k d"]:
        """Return what the teacher may say of the patches around `centre`, from tokens of the patches around `where`."""
        asked = self.asked.to(memory.dtype).expand(*centre.shape[:2], -1)
        said = self.predictor(torch.cat([memory, asked], dim=1), torch.cat([where, centre], dim=1))
        predicted: Tensor = self.out(said[:, memory.shape[1] :])
        return predicted

    def after_step(self, progress: float) -> None:
        """Let the teacher follow."""
        follow(self.teacher, self.backbone.encoder, momentum_at(progress, *self.config.momentum))

    def after_load(self) -> None:
        """Let the teacher begin where the encoder does."""
        match(self.teacher, self.backbone.encoder)


@torch.no_grad()
def in_sequence(centre: Float[Tensor, "b g 3"]) -> Int64[Tensor, "b g"]:
    """Return an order in which neighbours in space mostly stand side by side.

    It begins at the least sum of coordinates; each next one is the nearest to the last among those that are left.
    """
    away = torch.cdist(centre, centre, compute_mode="donot_use_mm_for_euclid_dist")
    rows, last = torch.arange(len(centre), device=centre.device), centre.sum(dim=2).argmin(dim=1)
    order = [last]
    for _ in range(centre.shape[1] - 1):
        away[rows, :, last] = torch.inf
        last = away[rows, last].argmin(dim=1)
        order.append(last)
    return torch.stack(order, dim=1)


def _between(uniform: float, bounds: tuple[float, float]) -> float:
    return bounds[0] + uniform * (bounds[1] - bounds[0])
