"""What must a network's scores of masked clouds look like, so that it reads complex structures and not simple ones?

The interactions I(S) of a cloud's regions (`dividends.py`) are to be weak where few regions take part and strong where
many do: loss = mean |I(S)| of low orders - mean |I(S)| of high orders. All 2^r values are too many to train with.
Three disjoint sets of regions, each treated as one merged region, take eight:

    low:   I'(Si) = v(Si) - v(nothing), the sum of I(T) over nonempty T in Si, orders 1 to |Si|;
    high:  I'(S1, S2, S3), the sum of I(T) over T in the union that meet all three: orders 3 to |S1| + |S2| + |S3|.

For sizes 3, 3, 3 the high term holds 27, 81, 108, 81, 36, 9, 1 interactions of orders 3 to 9: it is centred on order 5,
not on 9. The sums are of signed values, so opposite interactions within one cancel.

Source: Li, Ruan, Wu, Chen, Wei, Shen, "A Unified Approach to Interpreting Self-supervised Pre-training Methods for 3D
Point Clouds via Interactions", CVPR 2025: its Eq. 6, and that three disjoint subsets are drawn. What is computed from
them is ours, as are the sizes. The nested form is of H. Deng et al., "Discovering and Explaining the Representation
Bottleneck of DNNs", ICLR 2022.
"""

import torch
from jaxtyping import Bool, Float, Float64, Int, Int64
from torch import Tensor

from pointssl.ops.games.coalitions import members
from pointssl.ops.games.dividends import moebius, order, players

SINGLES, PAIRS, TRIPLE = (1, 2, 4), (3, 5, 6), 7
"""Numbers of the coalitions of three merged regions."""
FLOOR = 1e-3
"""Added to what scores are divided by, in nats."""

Terms = tuple[Float64[Tensor, "*b"], Float64[Tensor, "*b"]]
"""Mean strength of low and of high orders, for each draw."""


def subset_sizes(r: int, low: tuple[int, int], high: tuple[int, int]) -> list[tuple[int, int, int]]:
    """Return all sizes of three disjoint sets among r regions: each within `low`, together within `high`.

    Raises:
        ValueError: there are none.
    """
    each = range(low[0], low[1] + 1)
    found = [(a, b, c) for a in each for b in each for c in each if high[0] <= a + b + c <= min(high[1], r)]
    if not found:
        raise ValueError(
            f"low and high must leave room for three disjoint sets of {low[0]} to {low[1]} regions with {high[0]} to "
            f"{min(high[1], r)} together, and {r} regions leave none; widen one of them"
        )
    return found


def disjoint_groups(
    uniform: Float[Tensor, "b t r"], choice: Float[Tensor, "b t"], sizes: Int[Tensor, "s 3"]
) -> Int64[Tensor, "b t r"]:
    """Return the set (0, 1, 2) of every region in each of t draws per cloud, and 3 for regions in none.

    Args:
        uniform: numbers in [0, 1) that decide which regions.
        choice: numbers in [0, 1) that decide which of the sizes.
        sizes: what can be chosen from, each as likely.
    """
    chosen = sizes[(choice * len(sizes)).long().clamp_max(len(sizes) - 1)]  # (b, t, 3)
    rank = uniform.argsort(dim=-1).argsort(dim=-1)
    return (rank[..., None] >= chosen.cumsum(dim=-1)[..., None, :]).sum(dim=-1)


def kept_groups(group: Int[Tensor, "b t r"]) -> Bool[Tensor, "b t 8 r"]:
    """Return the regions that the 8 coalitions of three sets keep; regions in no set are always absent."""
    pattern = three_merged(group.device)
    return pattern[:, group.long()].movedim(0, 2)


def three_merged(device: torch.device | None = None) -> Bool[Tensor, "8 4"]:
    """Return the 8 coalitions of three merged regions beside a fourth that is always absent."""
    pattern = members(torch.arange(8, device=device), 3)
    return torch.cat([pattern, torch.zeros_like(pattern[:, :1])], dim=1)


def disjoint_terms(v: Float[Tensor, "*b 8"], clip: float | None = None, *, pairs: bool = False) -> Terms:
    """Return low and high strength from the scores of the 8 coalitions of three merged regions.

    Args:
        v: the scores.
        clip: the high term counts up to this: it has no bound otherwise, since logits can be inflated.
        pairs: take pairs of merged regions, I'(Si, Sj), for the low term instead of single ones.
    """
    merged = moebius(v).abs()
    low = merged[..., PAIRS if pairs else SINGLES].mean(dim=-1)
    return low, _clipped(merged[..., TRIPLE], clip)


def exact_terms(
    v: Float[Tensor, "*b c"], low: tuple[int, int], high: tuple[int, int], clip: float | None = None
) -> Terms:
    """Return mean |I(S)| of the orders `low` and of `high` from all 2^r scores; every order weighs alike."""
    strength, size = moebius(v).abs(), order(players(v.shape[-1]), v.device)

    def mean(values: Float64[Tensor, "*b c"], orders: tuple[int, int]) -> Float64[Tensor, "*b"]:
        return torch.stack([values[..., size == m].mean(dim=-1) for m in range(orders[0], orders[1] + 1)]).mean(dim=0)

    return mean(strength, low), mean(_clipped(strength, clip), high)


def relative(v: Float[Tensor, "*b c"], whole: Float[Tensor, "*b"], nothing: Float[Tensor, "*b"]) -> Tensor:
    """Return scores in units of what the whole cloud gains over nothing; that unit carries no gradient."""
    return v / ((whole - nothing).detach().abs() + FLOOR)[..., None]


def nested_kept(uniform: Float[Tensor, "b t r"], small: int, large: int) -> Bool[Tensor, "b t 2 r"]:
    """Return two coalitions per draw, the first of `small` regions within the second of `large`."""
    rank = uniform.argsort(dim=-1).argsort(dim=-1)
    return torch.stack([rank < small, rank < large], dim=2)


def nested_change(
    inner: Float[Tensor, "*b k"], outer: Float[Tensor, "*b k"], small: int, large: int
) -> Float[Tensor, "*b k"]:
    """Return what the logits gain from `small` to `large` regions.

    outer - (large / small) · inner leaves what orders between the two contribute, and nothing of order 1; with `small`
    0 the inner cloud is empty, and what it gives is taken off as it is.
    """
    return outer - (large / small if small > 0 else 1.0) * inner


def certainty(logits: Float[Tensor, "*b k"]) -> Float[Tensor, "*b"]:
    """Return the negative entropy of the classes in nats, from -log k (all alike) to 0; lowering it unlearns them."""
    log_p = logits.log_softmax(dim=-1)
    return (log_p.exp() * log_p).sum(dim=-1)


def _clipped(strength: Float64[Tensor, "*b"], clip: float | None) -> Float64[Tensor, "*b"]:
    return strength if clip is None else strength.clamp_max(clip)
