"""Transformer blocks on tokens that have a place in space: what encoders of patches and their decoders are made of.

Source: A. Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (norm first, GELU, biases except in the
attention's projections), in the form of Y. Pang et al., "Masked Autoencoders for Point Cloud Self-supervised Learning",
ECCV 2022: the embedded places are added before every block, and whole branches are dropped at a rate that rises with
depth (G. Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016).
"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from pointssl.backbones.layers import DropPath


@final
class TruncatedLinear(nn.Linear):
    """A linear layer that starts from a normal distribution of standard deviation 0.02 and without a shift."""

    def reset_parameters(self) -> None:
        """Draw the weights again."""
        nn.init.trunc_normal_(self.weight, std=0.02)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


@final
class Block(nn.Module):
    """Self-attention and a two-layer network, each added to what came in."""

    def __init__(self, width: int, heads: int, drop_path: float, ratio: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = TruncatedLinear(width, 3 * width, bias=False)
        self.project = TruncatedLinear(width, width)
        self.network = nn.Sequential(
            TruncatedLinear(width, ratio * width), nn.GELU(), TruncatedLinear(ratio * width, width)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Let every token see every other one of its cloud."""
        x = x + self.drop_path(self.attend(self.norm1(x)))
        moved: Tensor = x + self.drop_path(self.network(self.norm2(x)))
        return moved

    def attend(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Return the mean of the tokens' values that each token asks for."""
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        seen: Tensor = self.project(
            nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d)
        )
        return seen


@final
class Transformer(nn.Module):
    """A stack of blocks and a last norm; works on any subset of the tokens of a cloud."""

    def __init__(self, width: int, depth: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads ({heads}), got {width}")
        rates = [drop_path * step / max(1, depth - 1) for step in range(depth)]
        self.place = nn.Sequential(TruncatedLinear(3, 128), nn.GELU(), TruncatedLinear(128, width))
        self.blocks = nn.ModuleList(Block(width, heads, rate) for rate in rates)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Float[Tensor, "b t d"], centre: Float[Tensor, "b t 3"]) -> Float[Tensor, "b t d"]:
        """Return the tokens after all blocks, each with its place in space known."""
        place = self.place(centre)
        for block in self.blocks:
            tokens = block(tokens + place)
        last: Tensor = self.norm(tokens)
        return last
