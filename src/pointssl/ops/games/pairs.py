"""How do two regions act together when few, or many, other regions are there? Pair interactions by order of context.

I_ij^(m) is the mean over contexts C of m other regions of v(C + i + j) - v(C + i) - v(C + j) + v(C). The mean over all
orders m is the Shapley interaction of the pair.

Source: H. Deng et al., "Discovering and Explaining the Representation Bottleneck of DNNs", ICLR 2022 (definition);
W. Shen et al., "Interpreting Representation Quality of DNNs for 3D Point Cloud Processing", NeurIPS 2021 (pairs and
contexts sampled at 32 regions). Ours: the exact value from the dividends of a table.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from pointssl.ops.games.coalitions import all_coalitions
from pointssl.ops.games.dividends import order, players
from pointssl.ops.games.shapley import Game

RATIOS = (0.0, 0.04, 0.07, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Sizes of context as shares of the r - 2 other regions, as in the source."""


def pair_orders(dividends: Float[Tensor, "c"]) -> Float64[Tensor, "r r k"]:
    """Return I_ij^(m) for m = 0 to r - 2, exactly; the diagonal is 0.

    A dividend of S with i and j in it counts in every context that holds the rest of S.
    """
    r = players(len(dividends))
    if r < 2:
        raise ValueError(f"pairs need at least 2 regions, got {r}")
    member, size = all_coalitions(r, dividends.device).double(), order(r, dividends.device)
    others = r - 2
    found = torch.zeros(r, r, others + 1, dtype=torch.float64, device=dividends.device)
    for t in range(others + 1):
        share = dividends.double() * (size == t + 2)
        total = torch.einsum("c,ci,cj->ij", share, member, member)
        for m in range(t, others + 1):
            found[:, :, m] += total * (math.comb(others - t, m - t) / math.comb(others, m))
    return found * (1 - torch.eye(r, dtype=found.dtype, device=found.device))[..., None]


def context_sizes(r: int, ratios: tuple[float, ...] = RATIOS) -> tuple[int, ...]:
    """Return the different sizes of context that `ratios` of the other regions mean for r regions."""
    return tuple(sorted({int(ratio * (r - 2) + 1e-9) for ratio in ratios}))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledPairs:
    """Estimated pair interactions of one cloud; never exact, and so named."""

    pair: Int64[Tensor, "p 2"]
    size: tuple[int, ...]
    """Regions in the context, one entry for each column of `value`."""
    value: Float64[Tensor, "p k"]
    error: Float64[Tensor, "p k"]
    """Standard error over contexts; 0 where all contexts there are were taken."""

    def strength(self) -> tuple[Float64[Tensor, "k"], Float64[Tensor, "k"]]:
        """Return the mean over pairs of |I_ij| by size of context, and its standard error over pairs."""
        each = self.value.abs()
        spread = each.std(dim=0) if len(each) > 1 else torch.full_like(each[0], torch.nan)
        return each.mean(dim=0), spread / len(each) ** 0.5

    def converged(self, tolerance: float = 0.1) -> bool:
        """Whether chance in the contexts is below `tolerance` of the strength at its strongest order.

        Chance makes a strength too large: a mean of absolute values of noisy numbers is at least that of their noise.
        """
        return float(self.error.square().mean(dim=0).sqrt().max()) <= tolerance * float(self.strength()[0].max())


def sampled_pairs(
    game: Game,
    r: int,
    *,
    pairs: int = 300,
    contexts: int = 100,
    sizes: tuple[int, ...] | None = None,
    generator: torch.Generator,
    device: torch.device | None = None,
) -> SampledPairs:
    """Estimate I_ij^(m) for random pairs, each from random contexts of every size.

    Args:
        game: value of coalitions; asked for 4 values per pair, context and size.
        r: regions.
        pairs: different pairs to draw; all, where there are fewer.
        contexts: contexts per pair and size.
        sizes: numbers of other regions in the context; by default those of `RATIOS`.
        generator: chance, on the CPU.
        device: where coalitions are made.

    Raises:
        ValueError: fewer than 2 regions or contexts, or a size that r - 2 other regions cannot make.
    """
    wanted = context_sizes(r) if sizes is None else sizes
    if r < 2 or contexts < 2 or pairs < 1:
        raise ValueError(f"r and contexts must be at least 2 and pairs 1, got {r}, {contexts} and {pairs}")
    if not wanted or min(wanted) < 0 or max(wanted) > r - 2:
        raise ValueError(f"sizes must be between 0 and {r - 2} for {r} regions, got {wanted}")
    every = torch.combinations(torch.arange(r), 2)
    chosen = every[torch.randperm(len(every), generator=generator)[:pairs]]
    value = torch.empty(len(chosen), len(wanted), dtype=torch.float64)
    error = torch.zeros_like(value)
    for row, pair in enumerate(chosen):
        others = torch.tensor([i for i in range(r) if i not in pair.tolist()])
        for column, size in enumerate(wanted):
            one = size in (0, r - 2)  # there is a single context
            count = 1 if one else contexts
            first = torch.rand(count, r - 2, generator=generator).argsort(dim=1)[:, :size]
            kept = torch.zeros(4, count, r, dtype=torch.bool)
            kept.scatter_(2, others[first].expand(4, -1, -1), value=True)
            kept[0, :, pair], kept[1, :, pair[0]], kept[2, :, pair[1]] = True, True, True
            v = game(kept.flatten(0, 1).to(device)).double().cpu().view(4, count)
            delta = v[0] - v[1] - v[2] + v[3]
            value[row, column] = delta.mean()
            if not one:
                error[row, column] = delta.std() / count**0.5
    return SampledPairs(pair=chosen, size=wanted, value=value, error=error)
