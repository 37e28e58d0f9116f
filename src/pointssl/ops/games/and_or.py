"""Split a table of values into an AND part and an OR part so that few interactions are left: the sparsifier.

The values are shared out as v_and = v / 2 + p and v_or = v / 2 - p, and p is moved until the AND interactions of the
one and the OR interactions of the other have the smallest sum of absolute values. A term q takes up what a network says
by chance: it is taken off v and stays within a small share of |v(all) - v(nothing)|.

Source: M. Li, Q. Zhang, "Does a Neural Network Really Encode Symbolic Concepts?", ICML 2023; the bound of q is the
group's code's. Differs: gradients by the transposed transform instead of autograd, Adam with a falling step instead of
SGD, and the best split that was met is returned, so that it is never worse than the even one.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from pointssl.ops.games.dividends import moebius, moebius_adjoint, or_moebius, or_zeta, zeta


@dataclass(frozen=True, slots=True)
class AndOr:
    """Interactions of both kinds; the values of nothing stand in the first place of each."""

    ands: Float64[Tensor, "m c"]
    ors: Float64[Tensor, "m c"]
    noise: Float64[Tensor, "m c"]
    """What was taken off v as chance."""

    def values(self) -> Float64[Tensor, "m c"]:
        """Return the values that both kinds give together, which are v without the noise."""
        return zeta(self.ands) + or_zeta(self.ors)

    def size(self) -> Float64[Tensor, "m"]:
        """Return the sum of absolute interactions of both kinds, those of nothing left out."""
        return self.ands[:, 1:].abs().sum(dim=1) + self.ors[:, 1:].abs().sum(dim=1)


def and_or(v: Float[Tensor, "m c"], *, steps: int = 500, rate: float = 0.02, noise: float = 0.02) -> AndOr:
    """Return a sparse AND-OR decomposition of every row of v.

    Args:
        v: values of all coalitions, one row per cloud.
        steps: updates of p and q; 0 gives the even split.
        rate: first step of p as a share of the largest |v - v(nothing)| of the row; it falls to nothing linearly.
        noise: largest |q| as a share of |v(all) - v(nothing)|; 0 for an exact decomposition of v itself.

    Raises:
        ValueError: a negative setting.
    """
    if steps < 0 or rate <= 0 or noise < 0:
        raise ValueError(f"steps and noise must be at least 0 and rate positive, got {steps}, {noise} and {rate}")
    exact = v.double()
    size = (exact - exact[:, :1]).abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    bound = noise * (exact[:, -1:] - exact[:, :1]).abs()
    p, q = torch.zeros_like(exact), torch.zeros_like(exact)
    moments = [torch.zeros_like(exact) for _ in range(4)]
    best = _decompose(exact, p, q)
    for step in range(steps):
        now = _decompose(exact, p, q)
        better = (now.size() < best.size())[:, None]
        best = AndOr(*(torch.where(better, getattr(now, k), getattr(best, k)) for k in ("ands", "ors", "noise")))
        by_and, by_or = _gradient(now)
        length = rate * size * (1 - step / steps)
        p = p - length * _adam(by_and - by_or, moments[0], moments[1], step)
        if noise:
            change = _adam(-(by_and + by_or) / 2, moments[2], moments[3], step)
            q = (q - noise * length * change).clamp(-bound, bound)
    return best


def _decompose(v: Float64[Tensor, "m c"], p: Float64[Tensor, "m c"], q: Float64[Tensor, "m c"]) -> AndOr:
    rest = (v - q) / 2
    return AndOr(moebius(rest + p), or_moebius(rest - p), q)


def _gradient(now: AndOr) -> tuple[Float64[Tensor, "m c"], Float64[Tensor, "m c"]]:
    """Return the gradients of the sum of absolute interactions by v_and and by v_or."""
    signs = [
        table.sign().index_fill(1, torch.zeros(1, dtype=torch.int64, device=table.device), 0.0)
        for table in (now.ands, now.ors)
    ]
    return moebius_adjoint(signs[0]), -moebius_adjoint(signs[1]).flip(-1)


def _adam(gradient: Tensor, first: Tensor, second: Tensor, step: int) -> Tensor:
    """Return Adam's direction (D. P. Kingma, J. Ba, ICLR 2015) and update the two moments in place."""
    first.lerp_(gradient, 0.1)
    second.lerp_(gradient.square(), 0.001)
    return first / (1 - 0.9 ** (step + 1)) / ((second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-12)
