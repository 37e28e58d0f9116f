"""The point transformer of Point-BERT and Point-MAE: a cloud as patches, each patch one token.

Source: X. Yu et al., "Point-BERT: Pre-training 3D Point Cloud Transformers with Masked Point Modeling", CVPR 2022, in
the form of Y. Pang et al., "Masked Autoencoders for Point Cloud Self-supervised Learning", ECCV 2022 (no class token
before fine-tuning). Differs: the first centre is the point farthest from the mean, so that nothing depends on the order
of the points; the pooled feature is the max of the tokens beside their mean.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from pointssl.backbones.base import Backbone, BackboneConfig
from pointssl.backbones.layers import PointLayer, require_points
from pointssl.backbones.transformer import Transformer, TruncatedLinear
from pointssl.errors import SettingError
from pointssl.ops import sampling
from pointssl.ops.kernels import grouping
from pointssl.types import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchTransformerConfig(BackboneConfig):
    """Settings of the point transformer."""

    patches: int = 64
    """Patches per cloud; 64 suits 1024 points, 128 suits 2048."""
    patch_points: int = 32
    """Nearest points of each centre that make its patch."""
    width: int = 384
    """Width of the tokens, a multiple of `heads`."""
    depth: int = 12
    """Transformer blocks."""
    heads: int = 6
    """Heads of the attention."""
    drop_path: float = 0.1
    """Share of branches dropped in the last block while training; it rises from 0 with depth."""

    def __post_init__(self) -> None:
        sizes = ("patches", "patch_points", "width", "depth", "heads")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads ({self.heads}), got {self.width}")
        if not 0 <= self.drop_path < 1:
            raise ValueError(f"drop_path must be at least 0 and below 1, got {self.drop_path}")


@dataclass(frozen=True, slots=True)
class Patches:
    """A batch of clouds cut into patches that overlap."""

    centre: Float[Tensor, "b g 3"]
    local: Float[Tensor, "b g s 3"]
    """Points of each patch, nearest first, relative to its centre; not rescaled."""

    def take(self, index: Int64[Tensor, "b v"]) -> "Patches":
        """Return the patches that `index` names, equally many of every cloud."""
        chosen = grouping.group(self.local.flatten(2), index[..., None]).squeeze(2)
        return Patches(centre=take(self.centre, index), local=chosen.unflatten(2, self.local.shape[2:]))


def take(x: Float[Tensor, "b g d"], index: Int64[Tensor, "b v"]) -> Float[Tensor, "b v d"]:
    """Return the rows of each cloud that `index` names: tokens of the patches that stay visible, say."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


@final
class PatchTransformer(Backbone):
    """Point features are the tokens carried to the points from the 3 nearest centres; pooled is max ++ mean of tokens.

    Masked modelling calls the three parts by themselves: `cut`, `embed` and `encode`, the last on the visible tokens.
    """

    def __init__(self, config: PatchTransformerConfig) -> None:
        super().__init__()
        self.config: PatchTransformerConfig = config
        self.patch = PatchNet(config.width)
        self.encoder = Transformer(config.width, config.depth, config.heads, config.drop_path)
        self.point_dim, self.pooled_dim = config.width, 2 * config.width
        self.min_points = max(config.patches, config.patch_points)

    def forward(self, xyz: Float[Tensor, "b n 3"]) -> Features:
        """Encode a batch."""
        patches = self.cut(xyz)
        tokens = self.encode(self.embed(patches), patches.centre)
        return Features(points=grouping.interpolate(tokens, patches.centre, xyz), pooled=self.pool(tokens))

    def cut(self, xyz: Float[Tensor, "b n 3"]) -> Patches:
        """Cut clouds into patches around centres that lie far from each other."""
        require_points(xyz, self.min_points, f"PatchTransformer with {self.config.patches} patches")
        chosen = sampling.farthest_points(xyz, self.config.patches, sampling.outermost(xyz))
        centre = take(xyz, chosen)
        local = grouping.group(xyz, grouping.ball(xyz, centre, self.config.patch_points))
        return Patches(centre=centre, local=local - centre[:, :, None])

    def embed(self, patches: Patches) -> Float[Tensor, "b g d"]:
        """Return one token per patch, which knows the patch's shape but not where it lies."""
        b, g = patches.centre.shape[:2]
        tokens: Tensor = self.patch(patches.local.flatten(0, 1))
        return tokens.view(b, g, -1)

    def encode(self, tokens: Float[Tensor, "b v d"], centre: Float[Tensor, "b v 3"]) -> Float[Tensor, "b v d"]:
        """Let tokens see each other; any subset of a cloud's patches, with the centres they belong to."""
        encoded: Tensor = self.encoder(tokens, centre)
        return encoded

    def pool(self, tokens: Float[Tensor, "b v d"]) -> Float[Tensor, "b e"]:
        """Return the max of a cloud's tokens beside their mean."""
        return torch.cat([tokens.amax(dim=1), tokens.mean(dim=1)], dim=-1)


def require_patches(backbone: Backbone, method: str) -> PatchTransformer:
    """Return the network that masked modelling works on; raises `SettingError` for one that cuts no patches."""
    if not isinstance(backbone, PatchTransformer):
        raise SettingError(
            f"{method} hides patches, which {type(backbone).__name__} does not cut; its backbone must be a "
            "patch-transformer"
        )
    return backbone


@final
class PatchNet(nn.Module):
    """Two small PointNets in a row: the second sees each point beside the first one's max over the patch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.lift = PointLayer(3, 128), nn.Linear(128, 256)
        # The linear layer on (max, point) is split in two: the max's part is needed once per patch, not once per point.
        self.second, self.context = PointLayer(256, 512), nn.Linear(256, 512, bias=False)
        self.out = TruncatedLinear(512, width)

    def forward(self, local: Float[Tensor, "p s 3"]) -> Float[Tensor, "p d"]:
        """Return one vector per patch."""
        point: Tensor = self.lift(self.first(local))
        joined = self.second.linear(point) + self.context(point.amax(dim=1))[:, None]
        mapped: Tensor = self.out(self.second.activate(joined))
        return mapped.amax(dim=1)
