"""Games whose interactions are known by hand, and slow forms of every transform straight from its definition."""

from collections.abc import Callable
from itertools import permutations

import torch

from pointssl.ops.games.coalitions import all_coalitions


def table(r: int, value: Callable[[frozenset[int]], float]) -> torch.Tensor:
    """Return the values of all coalitions, in the order of their numbers."""
    return torch.tensor([value(kept) for kept in sets(r)], dtype=torch.float64)


def sets(r: int) -> list[frozenset[int]]:
    """Return all coalitions as sets, in the order of their numbers."""
    return [frozenset(i for i in range(r) if number >> i & 1) for number in range(2**r)]


def chance(r: int, rows: int = 0, seed: int = 0) -> torch.Tensor:
    """Return a table of random values, or `rows` of them."""
    shape = (rows, 2**r) if rows else (2**r,)
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_moebius(v: torch.Tensor, r: int) -> torch.Tensor:
    """Sum over subsets with alternating signs, one by one."""
    every = sets(r)
    return torch.tensor(
        [sum((-1) ** (len(s) - len(t)) * float(v[k]) for k, t in enumerate(every) if t <= s) for s in every],
        dtype=torch.float64,
    )


def slow_shapley(v: torch.Tensor, r: int) -> torch.Tensor:
    """Mean over all orders of arrival."""
    gains = torch.zeros(r, dtype=torch.float64)
    orders = list(permutations(range(r)))
    for arrival in orders:
        number = 0
        for i in arrival:
            gains[i] += v[number | 1 << i] - v[number]
            number |= 1 << i
    return gains / len(orders)


def as_game(v: torch.Tensor, r: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a game that looks its values up."""
    weight = 2 ** torch.arange(r)
    return lambda kept: v[(kept * weight).sum(dim=1)]


def relabelled(v: torch.Tensor, r: int, to: list[int]) -> torch.Tensor:
    """Return the same game where region i is called to[i]."""
    member = all_coalitions(r)
    number = (member * 2 ** torch.tensor(to)).sum(dim=1)
    out = torch.empty_like(v)
    out[..., number] = v
    return out
