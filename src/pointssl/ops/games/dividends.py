"""What does a set of regions add that none of its subsets has? Interactions of all 2^r coalitions at once.

A table v holds one value per coalition, in the order of their numbers (bit i: region i is kept). Its Harsanyi dividends
are I(S) = sum over T in S of (-1)^(|S| - |T|) v(T): the AND interactions, which act only where all of S is kept. They
give every value back: v(T) is the sum of I(S) over S in T, with I(empty) = v(empty). OR interactions act as soon as any
region of S is kept: v(T) = J(empty) + sum of J(S) over S that meet T.

Source: J. C. Harsanyi, "A simplified bargaining model for the n-person cooperative game", International Economic Review
1963; the fast transform is R. Kennes, P. Smets, "Computational Aspects of the Möbius Transformation", UAI 1990.
"""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

LOW = 4
"""Bits whose transform is one product with a small matrix: their neighbours lie too near for whole rows."""


def players(coalitions: int) -> int:
    """Return r for a table of 2^r values; raises ValueError for any other size."""
    r = coalitions.bit_length() - 1
    if coalitions < 2 or coalitions != 1 << r:
        raise ValueError(f"a table of values must hold 2^r of them for r regions, got {coalitions}")
    return r


def order(r: int, device: torch.device | None = None) -> Int64[Tensor, "c"]:
    """Return the number of regions in each of the 2^r coalitions."""
    count = torch.zeros(1, dtype=torch.int64, device=device)
    for _ in range(r):
        count = torch.cat([count, count + 1])
    return count


def moebius(v: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m c"]:
    """Return the AND interactions (Harsanyi dividends) of every coalition; the first is v of nothing.

    r 2^(r - 1) subtractions in float64 on one copy: the alternating sums cancel too much for float32.
    """
    return _each_bit(v, below=-1.0, above=0.0)


def zeta(dividends: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m c"]:
    """Return v from its dividends: for each coalition the sum over its subsets. Undoes `moebius`."""
    return _each_bit(dividends, below=1.0, above=0.0)


def moebius_adjoint(weight: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m c"]:
    """Return the gradient of <weight, moebius(v)> by v."""
    return _each_bit(weight, below=0.0, above=-1.0)


def or_moebius(v: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m c"]:
    """Return the OR interactions of every coalition, the first is v of nothing.

    J(S) = -sum over T in S of (-1)^(|S| - |T|) v(all but T): the AND interactions of the complements, turned over.
    """
    found = -moebius(v.flip(-1))
    found[..., 0] = v[..., 0]
    return found


def or_zeta(interactions: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m c"]:
    """Return v from its OR interactions: what is not confined to the absent regions acts. Undoes `or_moebius`."""
    table = interactions.double()
    acting = torch.cat([torch.zeros_like(table[..., :1]), table[..., 1:]], dim=-1)
    return table[..., :1] + acting.sum(dim=-1, keepdim=True) - zeta(acting).flip(-1)


def completeness_error(v: Float[Tensor, "*m c"], dividends: Float[Tensor, "*m c"]) -> Float64[Tensor, "*m"]:
    """Return the largest difference between v and the sums of its dividends, as a share of the largest |v|."""
    exact = v.double()
    wrong = (zeta(dividends) - exact).abs().amax(dim=-1)
    return wrong / exact.abs().amax(dim=-1).clamp_min(torch.finfo(torch.float64).tiny)


def _each_bit(v: Float[Tensor, "*m c"], *, below: float, above: float) -> Float64[Tensor, "*m c"]:
    """Return v after, for every bit, adding `below` times the value without it, or `above` times the one with it."""
    r = players(v.shape[-1])
    low = min(LOW, r)
    step = torch.tensor([[1.0, above], [below, 1.0]], dtype=torch.float64, device=v.device)
    small = torch.ones(1, 1, dtype=torch.float64, device=v.device)
    for _ in range(low):
        small = torch.kron(step, small)
    table = v.double().reshape(*v.shape[:-1], -1, 1 << low) @ small.mT
    for bit in range(r - low):
        pairs = table.view(*v.shape[:-1], -1, 2, 1 << (bit + low))
        if below:
            pairs[..., 1, :].add_(pairs[..., 0, :], alpha=below)
        else:
            pairs[..., 0, :].add_(pairs[..., 1, :], alpha=above)
    return table.reshape(v.shape)
