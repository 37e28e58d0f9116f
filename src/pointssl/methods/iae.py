"""IAE: from what the encoder says of a sparse, noisy cloud, the distance to the dense one is told anywhere in space.

Source: S. Yan, Z. Yang, H. Li, C. Song, L. Guan, H. Kang, G. Hua, Q. Huang, "Implicit Autoencoder for Point-Cloud
Self-Supervised Representation Learning", ICCV 2023. Differs: the distance is that to the points of a dense cloud, no
mesh is needed; the decoder reads the pooled feature alone (docs/methods/iae.md).
"""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.base import Backbone
from pointssl.data.augment import AugmentConfig, augment
from pointssl.methods.base import Figure, MethodConfig, PretextMethod
from pointssl.ops.batch_rng import Draws
from pointssl.ops.chamfer import nearest_distance
from pointssl.settings import require_finite
from pointssl.types import CloudBatch, StepOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class IAEConfig(MethodConfig):
    """Settings of the implicit auto-encoder."""

    seen: float = 0.5
    """Share of the points that the encoder sees; distances are those to all of them."""
    noise: float = 0.005
    """Standard deviation of the noise on what the encoder sees, in cloud radii."""
    queries: int = 2048
    """Places of each cloud at which the distance is asked."""
    near: float = 0.5
    """Share of the places that lie near points of the cloud; the others lie anywhere in the box."""
    spread: float = 0.05
    """Standard deviation of the steps from points to places near them, in cloud radii."""
    half: float = 1.1
    """Half the side of the box, in cloud radii."""
    width: int = 128
    """Width of the decoder, which is thrown away."""
    blocks: int = 5
    """Residual blocks of the decoder."""

    def __post_init__(self) -> None:
        require_finite(self)
        if not 0 < self.seen <= 1:
            raise ValueError(f"seen must be above 0 and at most 1, got {self.seen}")
        if not 0 <= self.near <= 1:
            raise ValueError(f"near must be between 0 and 1, got {self.near}")
        if min(self.noise, self.spread) < 0 or self.half <= 0:
            raise ValueError(
                f"noise and spread must be at least 0 and half above, got {self.noise}, {self.spread} and {self.half}"
            )
        if min(self.queries, self.width, self.blocks) < 1:
            raise ValueError(
                f"queries, width and blocks must be at least 1, got {self.queries}, {self.width} and {self.blocks}"
            )


@final
class IAE(PretextMethod):
    """The loss is the mean absolute error of the distance, in cloud radii."""

    figures: ClassVar = (
        Figure("error_near", "Error near the surface", "cloud radii", logarithmic=True),
        Figure("error_far", "Error elsewhere", "cloud radii", logarithmic=True),
    )

    def __init__(self, backbone: Backbone, config: IAEConfig) -> None:
        super().__init__()
        self.backbone, self.config = backbone, config
        self.decoder = DistanceDecoder(backbone.pooled_dim, config.width, config.blocks)

    def forward(self, batch: CloudBatch, generator: torch.Generator | None = None) -> StepOutput:
        """Score one batch, its points in an order of no meaning."""
        config, xyz = self.config, batch.xyz
        draws = Draws.of_process(generator, len(xyz))
        size = min(xyz.shape[1], max(self.backbone.min_points, round(config.seen * xyz.shape[1])))
        order = draws.uniform(xyz.shape[1]).argsort(dim=1).to(xyz.device)[..., None].expand(-1, -1, 3)
        sparse = augment(xyz.gather(1, order[:, :size]), AugmentConfig(jitter=config.noise), draws)
        query, close = self.places(xyz, draws)
        told = self.decoder(self.backbone(sparse).pooled, query)
        with torch.autocast(xyz.device.type, enabled=False):
            error = (told.float() - nearest_distance(query, xyz)).abs()
        logs = {"error_near": error[:, :close], "error_far": error[:, close:]}
        return StepOutput(loss=error.mean(), logs={name: e.detach().mean() for name, e in logs.items() if e.numel()})

    def places(self, xyz: Float[Tensor, "b n 3"], draws: Draws) -> tuple[Float[Tensor, "b q 3"], int]:
        """Return where distances are asked, those near points of the cloud first, and how many those are."""
        config = self.config
        close = round(config.near * config.queries)
        which = (draws.uniform(close) * xyz.shape[1]).long().clamp_max(xyz.shape[1] - 1).to(xyz.device)
        near = xyz.gather(1, which[..., None].expand(-1, -1, 3)) + config.spread * draws.normal(close, 3).to(xyz.device)
        box = (2 * draws.uniform(config.queries - close, 3).to(xyz.device) - 1) * config.half
        return torch.cat([near, box], dim=1), close


@final
class DistanceDecoder(nn.Module):
    """Residual blocks on a place in space, each of which is told the code of the cloud again."""

    def __init__(self, code: int, width: int, blocks: int) -> None:
        super().__init__()
        self.place = nn.Linear(3, width)
        self.context = nn.ModuleList(nn.Linear(code, width) for _ in range(blocks))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for _ in range(blocks)
        )
        self.distance = nn.Sequential(nn.ReLU(), nn.Linear(width, 1))

    def forward(self, code: Float[Tensor, "b e"], query: Float[Tensor, "b q 3"]) -> Float[Tensor, "b q"]:
        """Return a distance for every place."""
        x: Tensor = self.place(query)
        for context, block in zip(self.context, self.blocks, strict=True):
            x = x + context(code)[:, None]
            x = x + block(x)
        told: Tensor = self.distance(x)
        return told[..., 0]
