"""How strong are the interactions of each order? One number per cloud and order, from which every display is made.

The order of an interaction is its number of regions: low orders are simple and local, high ones complex and global.

Source: Q. Li et al., "A Unified Approach to Interpreting Self-supervised Pre-training Methods for 3D Point Clouds via
Interactions", CVPR 2025 (strength by order). Its normalisation is not public; ours are (a) the mean |I| as a share of
the mean |v(all) - v(nothing)|, (b) the mean |I| as a share of its mean over orders, (c) sums of the salient ones alone,
as the same group shows them (H. Zhou et al., "Explaining Generalization Power of a DNN Using Interactive
Concepts", AAAI 2024).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from pointssl.ops.games.dividends import order, players

SALIENT = 0.03
"""An interaction is salient above this share of the largest one of its cloud."""


def mean_strength(dividends: Float[Tensor, "m c"]) -> Float64[Tensor, "m r"]:
    """Return the mean |I| over all interactions of each order, 1 to r, for every cloud."""
    total, count = _by_order(dividends.double().abs())
    return total / count


def total_effect(v: Float[Tensor, "m c"]) -> Float64[Tensor, "m"]:
    """Return |v(all) - v(nothing)| of every cloud, the unit of display (a)."""
    return (v[:, -1] - v[:, 0]).double().abs()


def share_of_effect(strength: Float[Tensor, "m r"], effects: Float[Tensor, "m"]) -> Float64[Tensor, "r"]:
    """Return display (a): mean strength over clouds by order, divided by the mean effect over clouds."""
    return strength.double().mean(dim=0) / effects.double().mean()


def share_of_mean(strength: Float[Tensor, "m r"]) -> Float64[Tensor, "r"]:
    """Return display (b): mean strength over clouds by order, divided by its mean over orders."""
    mean = strength.double().mean(dim=0)
    return mean / mean.mean()


@dataclass(frozen=True, slots=True)
class Salient:
    """Display (c), per cloud and order: what the few large interactions sum to."""

    positive: Float64[Tensor, "m r"]
    negative: Float64[Tensor, "m r"]
    """At most 0."""
    count: Float64[Tensor, "m r"]
    """How many there are of both signs."""


def is_salient(dividends: Float[Tensor, "m c"], share: float = SALIENT) -> Bool[Tensor, "m c"]:
    """Tell which interactions exceed `share` of the largest |I| of their cloud; nothing's own value never does."""
    size = dividends.abs().clone()
    size[:, 0] = 0
    return size > share * size.amax(dim=1, keepdim=True)


def salient_strength(dividends: Float[Tensor, "m c"], share: float = SALIENT) -> Salient:
    """Return sums of positive and of negative salient interactions, and their number, by order."""
    kept = is_salient(dividends, share)
    large = dividends.double() * kept
    return Salient(
        positive=_by_order(large.clamp_min(0))[0],
        negative=_by_order(large.clamp_max(0))[0],
        count=_by_order(kept.double())[0],
    )


def low_orders(r: int) -> tuple[int, int]:
    """Return the first and last order called low: 1 to 0.3 r, rounded down but at least 1."""
    return 1, max(1, 3 * r // 10)


def high_orders(r: int) -> tuple[int, int]:
    """Return the first and last order called high: from the one after 0.7 r, rounded up, to r."""
    return min(r, -(-7 * r // 10) + 1), r


def _by_order(table: Float64[Tensor, "m c"]) -> tuple[Float64[Tensor, "m r"], Float64[Tensor, "r"]]:
    """Return sums over the coalitions of each order, 1 to r, and how many coalitions there are of it."""
    size = order(players(table.shape[1]), table.device)
    total = torch.zeros(len(table), int(size.max()) + 1, dtype=torch.float64, device=table.device)
    total.index_add_(1, size, table)
    return total[:, 1:], torch.bincount(size)[1:].double()
