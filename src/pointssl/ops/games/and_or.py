"""Split a table of values into an AND part and an OR part with the least sum of |I| + |J|: the sparsifier.

An OR interaction J(S) is the same as AND interactions of every subset of S, with signs that alternate by order. So with
h the AND interactions of v and A that signed sum over supersets, (A J)(R) = (-1)^(|R| + 1) sum of J(S) over S that hold
R, the problem is a linear program: least |I| + |J| under I + A J = h. Douglas-Rachford splitting goes back and forth
between the nearest tables that obey the equation and the tables shrunk towards 0. Both are cheap: A is a product of one
small matrix per region, and so is the inverse that the projection needs. The multipliers prove a bound from below, so
every answer comes with how far from the least it can be.

Source: M. Li, Q. Zhang, "Does a Neural Network Really Encode Symbolic Concepts?", ICML 2023; J. Eckstein,
D. P. Bertsekas, "On the Douglas-Rachford Splitting Method", Mathematical Programming 1992. Ours: the linear program and
its solver instead of gradient steps, the projection by small matrices, the bound; no term that takes up chance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from pointssl.ops.games.dividends import moebius, or_moebius, or_zeta, order, players, zeta

Table = Float64[Tensor, "m c"]

RELAXED = 1.6
"""Length of a step; from 0 to 2 all converge, this one faster than 1."""
SHRINK = 0.05
"""How much the tables are shrunk per step, as a share of the largest interaction."""
LOOK = 50
"""Steps between two looks at the bound."""


@dataclass(frozen=True, slots=True)
class AndOr:
    """Interactions of both kinds; the value of nothing stands in the first place of `ands`."""

    ands: Float64[Tensor, "m c"]
    ors: Float64[Tensor, "m c"]
    gap: Float64[Tensor, "m"]
    """Share of the sum by which another split could be smaller, at most."""

    def values(self) -> Float64[Tensor, "m c"]:
        """Return the values that both kinds give together, which are v."""
        return zeta(self.ands) + or_zeta(self.ors)

    def size(self) -> Float64[Tensor, "m"]:
        """Return the sum of absolute interactions of both kinds, that of nothing left out."""
        return _size(self.ands, self.ors)


def and_or(v: Float[Tensor, "m c"], *, gap: float = 1e-4, steps: int = 5000) -> AndOr:
    """Return the AND-OR decomposition of every row of v with the least sum of absolute interactions.

    Args:
        v: values of all coalitions, one row per cloud.
        gap: share of the sum by which the true least may be smaller; the search ends where all rows are as near.
        steps: most steps; what is left then stands in `gap` of the result.

    Raises:
        ValueError: a gap or steps that cannot be.
    """
    if gap <= 0 or steps < 1:
        raise ValueError(f"gap must be above 0 and steps at least 1, got {gap} and {steps}")
    exact = v.double()
    largest = _without_nothing(moebius(exact)).abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest, torch.ones_like(largest))
    game = _Game(exact / scale)
    ands, ors = game.even()
    best = game.checked(ors, torch.zeros_like(ors))
    for step in range(1, steps + 1):
        near_ands, near_ors, multiplier = game.nearest(ands, ors)
        small_ands, small_ors = _shrunk(2 * near_ands - ands), _shrunk(2 * near_ors - ors)
        ands, ors = ands + RELAXED * (small_ands - near_ands), ors + RELAXED * (small_ors - near_ors)
        if step % LOOK == 0 or step == steps:
            best = _better(game.checked(small_ors, -multiplier / SHRINK), best)
            if bool((best.gap <= gap).all()):
                break
    return AndOr(best.ands * scale, best.ors * scale, best.gap)


class _Game:
    """The equation I + A J = h of some tables of values."""

    def __init__(self, v: Table) -> None:
        self.v = v
        r = players(v.shape[1])
        self._sign = (2.0 * (order(r, v.device) % 2) - 1.0).double()  # (-1)^(|R| + 1)
        self._h = _without_nothing(moebius(v))
        self._over = _each_region([[1.0, 1.0], [0.0, 1.0]], r, v.device)
        self._under = _each_region([[1.0, 0.0], [1.0, 1.0]], r, v.device)
        # A A' is one matrix [[2, -1], [-1, 1]] per region, so 1 + A A' is diagonal in the eigenvectors of that.
        root, basis = torch.linalg.eigh(torch.tensor([[2.0, -1.0], [-1.0, 1.0]], dtype=torch.float64))
        self._to = _each_region(basis.mT.tolist(), r, v.device)
        self._from = _each_region(basis.tolist(), r, v.device)
        every = torch.ones(1, dtype=torch.float64)
        for _ in range(r):
            every = torch.kron(root, every)
        self._divide = 1 + every.to(v.device)
        first = torch.zeros(1, v.shape[1], dtype=torch.float64, device=v.device)
        first[0, 0] = 1.0
        self._nothing = self._from(self._to(first) / self._divide)

    def even(self) -> tuple[Table, Table]:
        """Return half of all interactions as ANDs and half as ORs."""
        return self._h / 2, _without_nothing(or_moebius(self.v)) / 2

    def nearest(self, ands: Table, ors: Table) -> tuple[Table, Table, Table]:
        """Return the nearest tables that obey the equation, and the multipliers that lead there."""
        wrong = ands + self._spread(ors) - self._h
        solved = self._from(self._to(wrong) / self._divide)
        # The equation says nothing of the empty set: its row and column are taken out of the inverse.
        multiplier = _without_nothing(solved - self._nothing * (solved[:, :1] / self._nothing[0, 0]))
        return ands - multiplier, ors - self._gathered(multiplier), multiplier

    def checked(self, ors: Table, dual: Table) -> AndOr:
        """Return the decomposition with these ORs, and how far it can be from the least by these multipliers."""
        ands = moebius(self.v - or_zeta(ors))
        size = _size(ands, ors)
        slack = torch.maximum(dual.abs().amax(dim=1), self._gathered(dual).abs().amax(dim=1)).clamp_min(1.0)
        bound = (self._h * dual).sum(dim=1) / slack
        return AndOr(ands, ors, torch.where(size > 0, 1 - bound / size.clamp_min(1e-300), 0.0))

    def _spread(self, ors: Table) -> Table:
        """Return A J: the AND interactions of ORs."""
        return _without_nothing(self._sign * self._over(ors))

    def _gathered(self, ands: Table) -> Table:
        """Return the transpose of A applied to a table."""
        return _without_nothing(self._under(self._sign * ands))


def _each_region(step: list[list[float]], r: int, device: torch.device) -> Callable[[Table], Table]:
    """Return the map that applies a 2 x 2 matrix to every bit of a table's numbers, by products with larger ones."""
    blocks, done = [], 0
    while done < r:
        bits = min(5, r - done)
        block = torch.ones(1, 1, dtype=torch.float64)
        for _ in range(bits):
            block = torch.kron(torch.tensor(step, dtype=torch.float64), block)
        blocks.append((block.to(device), 1 << done))
        done += bits

    def apply(table: Table) -> Table:
        shape = table.shape
        for block, inner in blocks:
            table = (block @ table.reshape(shape[0], -1, len(block), inner)).reshape(shape)
        return table

    return apply


def _shrunk(table: Table) -> Table:
    """Return every entry nearer to 0, down to it: where |entry| and half the squared distance are least together."""
    return table.sign() * (table.abs() - SHRINK).clamp_min(0.0)


def _without_nothing(table: Table) -> Table:
    found = table.clone()
    found[:, 0] = 0.0
    return found


def _size(ands: Table, ors: Table) -> Float64[Tensor, "m"]:
    return ands[:, 1:].abs().sum(dim=1) + ors[:, 1:].abs().sum(dim=1)


def _better(a: AndOr, b: AndOr) -> AndOr:
    """Return of every row the smaller decomposition with the nearer of the two bounds."""
    size, other = a.size(), b.size()
    bound = torch.maximum(size * (1 - a.gap), other * (1 - b.gap))
    first = (size <= other)[:, None]
    least = torch.minimum(size, other)
    gap = torch.where(least > 0, 1 - bound / least.clamp_min(1e-300), 0.0)
    return AndOr(torch.where(first, a.ands, b.ands), torch.where(first, a.ors, b.ors), gap)
