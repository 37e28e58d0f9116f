"""All masked clouds of a max-pooled network from one pass over the points (`ops/games/max_pool_coalitions.py`).

It is only used for a network that has a `backbone` whose pooled feature is a max, and a `head` behind it, and only
after both ways agreed on the first cloud: what `forward` really does is never assumed.
"""

from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from pointssl.backbones.max_pooled import MaxPooled, pools_by_max
from pointssl.interpret.config import MOST_EXACT, InteractConfig
from pointssl.interpret.values import LogitsFn, masked_logits
from pointssl.ops.games.coalitions import all_coalitions
from pointssl.ops.games.max_pool_coalitions import (
    coalition_maxima,
    linear_of_maxima,
    pooled_of_coalitions,
    region_maxima,
)

ROWS = 4096
"""Most rows that a head sees at once."""
AGREE = 1e-3
"""Largest difference between the two ways, as a share of the largest logit: rounding is a hundred times smaller."""


@runtime_checkable
class HasParts(Protocol):
    """A classifier that is an encoder and a head."""

    backbone: nn.Module
    head: nn.Module


@final
class MaxPooledLogits:
    """LogitsFn of one network for one cloud; the points are encoded once, when it is made."""

    def __init__(
        self,
        backbone: MaxPooled,
        head: nn.Module,
        xyz: Float[Tensor, "n 3"],
        region: Int[Tensor, "n"],
        config: InteractConfig,
    ) -> None:
        self._head, self._r = head, config.regions
        offered = backbone.before_max(torch.cat([xyz, xyz.mean(dim=0, keepdim=True)])[None])
        self._reached = region_maxima(offered[:, :-1], region[None], config.regions)[0]  # (r, e)
        self._filled = torch.bincount(region.long(), minlength=config.regions)[: config.regions] > 0
        self._mean = offered[0, -1]
        self._whole = self._reached.amax(dim=0)
        # Points that move to kept points add nothing: the least that a region reaches is then as good as nothing.
        self._rest = self._mean if config.masking == "mean" else self._reached[self._filled].amin(dim=0)

    def __call__(self, kept: Bool[Tensor, "c r"]) -> Float[Tensor, "c k"]:
        """Return the logits of some coalitions."""
        reached, rest = self._reached[None], self._rest[None]
        some = [self._fixed(pooled_of_coalitions(reached, rest, rows[None])[0], rows) for rows in kept.split(ROWS)]
        return torch.cat([self._head(rows) for rows in some])

    def all(self) -> Float[Tensor, "c k"]:
        """Return the logits of all 2^r coalitions in the order of their numbers."""
        kept = all_coalitions(self._r, self._reached.device)
        head = self._head
        if not (type(head) is nn.Sequential and len(head) and isinstance(head[0], nn.Linear)):
            table = self._fixed(coalition_maxima(self._reached[None], self._rest[None])[0], kept)
            return torch.cat([head(rows) for rows in table.split(ROWS)])
        first, later = head[0], head[1:]
        table = linear_of_maxima(self._reached, self._rest, first.weight)
        whole, void = self._extremes(kept)
        table[whole], table[void] = first.weight @ self._whole, first.weight @ self._mean
        if first.bias is not None:
            table += first.bias
        return torch.cat([later(rows) for rows in table.split(ROWS)])

    def _fixed(self, pooled: Float[Tensor, "c e"], kept: Bool[Tensor, "c r"]) -> Float[Tensor, "c e"]:
        """Correct the rows where no point is absent, and where all points are."""
        whole, void = self._extremes(kept)
        pooled = torch.where(whole[:, None], self._whole, pooled)
        return torch.where(void[:, None], self._mean, pooled)

    def _extremes(self, kept: Bool[Tensor, "c r"]) -> tuple[Bool[Tensor, "c"], Bool[Tensor, "c"]]:
        return (kept | ~self._filled).all(dim=1), ~(kept & self._filled).any(dim=1)


def parts(network: nn.Module) -> tuple[MaxPooled, nn.Module] | None:
    """Return the encoder and the head of a network that seems to pool by max, or None."""
    if not isinstance(network, HasParts) or not isinstance(network.head, nn.Module):
        return None
    backbone = network.backbone
    return (backbone, network.head) if pools_by_max(backbone) else None


def agrees(network: nn.Module, xyz: Float[Tensor, "n 3"], region: Int[Tensor, "n"], config: InteractConfig) -> bool:
    """Whether both ways give the same logits for nothing, everything, single regions and what is left without them."""
    found = parts(network)
    if found is None:
        return False
    single = torch.eye(config.regions, dtype=torch.bool, device=xyz.device)
    kept = torch.cat([torch.zeros_like(single[:1]), single, ~single, torch.ones_like(single[:1])])
    slow: LogitsFn = masked_logits(network, xyz, region, config)
    expected, quick = slow(kept), MaxPooledLogits(*found, xyz, region, config)
    if config.regions <= MOST_EXACT:  # the way that is used then
        fast = quick.all()[(kept << torch.arange(config.regions, device=xyz.device)).sum(dim=1)]
    else:
        fast = quick(kept)
    if fast.shape != expected.shape:
        return False
    # A NaN agrees with nothing, so that the masked clouds themselves are what the user is told about.
    return bool((fast - expected).abs().max() <= AGREE * expected.abs().max())
