"""Single interactions worth a look: the largest of one network, and those in which two networks differ most."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from pointssl.errors import SettingError
from pointssl.interpret.table import InteractionTable, same_question
from pointssl.ops.games.dividends import order


@dataclass(frozen=True, slots=True, kw_only=True)
class TopInteraction:
    """One set of regions of one cloud and what it does in each network, in the unit of the score."""

    cloud: int
    """Row in the tables."""
    coalition: int
    """Number of the set; bit i: region i is in it."""
    regions: tuple[int, ...]
    interaction: tuple[float, ...]
    """One value per network."""

    @property
    def order(self) -> int:
        """How many regions act together."""
        return len(self.regions)


def most_different_interactions(
    first: InteractionTable, second: InteractionTable, orders: tuple[int, int], *, count: int = 6, per_cloud: int = 1
) -> list[TopInteraction]:
    """Return interactions of the given orders whose strength |I| differs most, largest difference first.

    Raises:
        SettingError: tables of other clouds, points, regions or scores.
    """
    if not same_question(first, second):
        raise SettingError(f"{first.network} and {second.network} were measured on other clouds, regions or scores")
    both = torch.stack([first.dividends(), second.dividends()])
    return _pick((both[0].abs() - both[1].abs()).abs(), both, orders, count, per_cloud)


def largest_interactions(
    table: InteractionTable, orders: tuple[int, int], *, count: int = 6, per_cloud: int = 1
) -> list[TopInteraction]:
    """Return the largest |I| of the given orders, at most `per_cloud` of each cloud."""
    found = table.dividends()[None]
    return _pick(found[0].abs(), found, orders, count, per_cloud)


def _pick(
    size: Float64[Tensor, "m c"], values: Float64[Tensor, "s m c"], orders: tuple[int, int], count: int, per_cloud: int
) -> list[TopInteraction]:
    n = size.shape[1].bit_length() - 1
    wanted = (order(n) >= orders[0]) & (order(n) <= orders[1])
    best = size.masked_fill(~wanted, -1.0).topk(min(per_cloud, int(wanted.sum())), dim=1)
    places = [(float(best.values[m, k]), m, int(best.indices[m, k])) for m, k in np.ndindex(*best.values.shape)]
    places.sort(key=lambda one: (-one[0], one[1], one[2]))
    return [
        TopInteraction(
            cloud=m,
            coalition=c,
            regions=tuple(i for i in range(n) if c >> i & 1),
            interaction=tuple(float(value) for value in values[:, m, c]),
        )
        for _, m, c in places[:count]
    ]
