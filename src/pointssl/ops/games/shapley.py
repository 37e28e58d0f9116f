"""How much does each region contribute, and each pair beyond its two regions? Shapley values, exact and sampled.

From a whole table they follow from the dividends: each coalition's dividend is shared out equally among its regions.
For more regions than a table can hold they are estimated from random orders in which regions arrive.

Source: L. S. Shapley, "A value for n-person games", 1953; M. Grabisch, M. Roubens, "An axiomatic approach to the
concept of interaction among players in cooperative games", International Journal of Game Theory 1999 (pairs); J. Castro
et al., "Polynomial calculation of the Shapley value based on sampling", Computers & Operations Research 2009
(estimates). The rule of convergence follows I. Covert, S.-I. Lee, "Improving KernelSHAP", AISTATS 2021: the largest
standard error against the spread of the values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from pointssl.ops.games.coalitions import all_coalitions
from pointssl.ops.games.dividends import order, players

Game = Callable[[Bool[Tensor, "c r"]], Float[Tensor, "c"]]
"""Gives the value of each coalition in a batch of them; the border between a network and the theory of games."""


def shapley(dividends: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m r"]:
    """Return the Shapley value of every region; together they are v(all) - v(nothing)."""
    r = players(dividends.shape[-1])
    share = dividends.double() / order(r, dividends.device).clamp_min(1)
    return share @ all_coalitions(r, dividends.device).double()


def shapley_pairs(dividends: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m r r"]:
    """Return the Shapley interaction of every pair of regions, symmetric; the diagonal is 0."""
    r = players(dividends.shape[-1])
    member = all_coalitions(r, dividends.device).double()
    share = dividends.double() / (order(r, dividends.device) - 1).clamp_min(1)
    pairs = torch.einsum("...c,ci,cj->...ij", share, member, member)
    return pairs * (1 - torch.eye(r, dtype=pairs.dtype, device=pairs.device))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledShapley:
    """Estimated Shapley values; never exact, and so named."""

    value: Float64[Tensor, "r"]
    error: Float64[Tensor, "r"]
    """Standard error of each."""
    orders: int
    """Random orders that were played."""

    def converged(self, tolerance: float = 0.05) -> bool:
        """Whether the largest standard error is below `tolerance` times the spread of the values."""
        spread = float(self.value.max() - self.value.min())
        return float(self.error.max()) <= tolerance * spread


def sampled_shapley(
    game: Game, r: int, *, orders: int, generator: torch.Generator, device: torch.device | None = None
) -> SampledShapley:
    """Estimate the Shapley values of `game` from `orders` random orders, each played forwards and backwards.

    Both directions together count as one observation, whose two halves err against each other. Costs 2 (r + 1) values
    per order. The sum of the estimates is exactly v(all) - v(nothing).

    Raises:
        ValueError: fewer than two orders, which have no standard error.
    """
    if orders < 2:
        raise ValueError(f"orders must be at least 2, got {orders}")
    gains = torch.empty(orders, r, dtype=torch.float64, device=device)
    for row in range(orders):
        forward = torch.randperm(r, generator=generator).to(device)
        gains[row] = (_gains(game, forward) + _gains(game, forward.flip(0))) / 2
    error = gains.std(dim=0) / orders**0.5
    return SampledShapley(value=gains.mean(dim=0), error=error, orders=orders)


def _gains(game: Game, arrival: Tensor) -> Float64[Tensor, "r"]:
    """Return what each region adds when it arrives in the given order."""
    r = len(arrival)
    place = torch.empty_like(arrival)
    place[arrival] = torch.arange(r, device=arrival.device)
    kept = place[None] < torch.arange(r + 1, device=arrival.device)[:, None]
    return game(kept).double().diff()[place]
