"""Strength by order of one network, and of two on the same clouds, each with an interval over clouds.

Clouds are drawn again with replacement, the same draws for every order, display and network, so that differences of two
networks are paired cloud by cloud.

Source of the displays: see `ops/games/strength.py`; intervals are percentile bootstraps (B. Efron, R. Tibshirani, "An
Introduction to the Bootstrap", 1993).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from pointssl.errors import SettingError
from pointssl.interpret.table import InteractionTable, same_question
from pointssl.ops.games import strength
from pointssl.ops.stats import Estimate, bootstrap_weights, percentile_interval, wilson
from pointssl.settings import require_finite


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileConfig:
    """Which orders are called low and high, and which interactions salient."""

    low: tuple[int, int] | None = None
    """First and last low order; 1 to 0.3 n when not given."""
    high: tuple[int, int] | None = None
    """First and last high order; the one after 0.7 n to n when not given."""
    salient: float = strength.SALIENT
    """Least size of a salient interaction, as a share of the largest of its cloud."""
    display: Literal["share_of_effect", "share_of_mean"] = "share_of_effect"
    """Unit of the strength of low and high orders: absolute levels, or the shape of the profile alone."""
    seed: int = 0
    """Decides the resampling of clouds."""

    def __post_init__(self) -> None:
        require_finite(self)
        for name, given in (("low", self.low), ("high", self.high)):
            if given is not None and not 1 <= given[0] <= given[1]:
                raise ValueError(f"{name} must be two rising orders from 1, got {given}")
        if not 0 <= self.salient < 1:
            raise ValueError(f"salient must be in [0, 1), got {self.salient}")

    def ranges(self, regions: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the low and the high range for n regions; raises `SettingError` for orders that there are not."""
        low, high = self.low or strength.low_orders(regions), self.high or strength.high_orders(regions)
        for name, given in (("low", low), ("high", high)):
            if given[1] > regions:
                raise SettingError(f"{name} must end at {regions}, the number of regions, or before, got {given}")
        return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One network; tuples run over the orders 1 to n."""

    network: str
    clouds: int
    regions: int
    accuracy: Estimate
    effect: float
    """Mean |v(all) - v(nothing)|, in the unit of the score."""
    share_of_effect: tuple[Estimate, ...]
    """Display (a): mean |I| of the order over the mean effect."""
    share_of_mean: tuple[Estimate, ...]
    """Display (b): mean |I| of the order over its mean over orders."""
    positive: tuple[Estimate, ...]
    """Display (c): sum of the positive salient interactions of the order, mean over clouds."""
    negative: tuple[Estimate, ...]
    """The same of the negative ones; at most 0."""
    salient: tuple[Estimate, ...]
    """How many salient interactions of the order a cloud has."""
    low_orders: tuple[int, int]
    high_orders: tuple[int, int]
    low: Estimate
    """Mean strength of the low orders, in the display of the settings."""
    high: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One network less another on the same clouds; tuples run over the orders 1 to n."""

    network: str
    less: str
    share_of_effect: tuple[Estimate, ...]
    share_of_mean: tuple[Estimate, ...]
    low: Estimate
    high: Estimate
    accuracy: Estimate


def profile(table: InteractionTable, config: ProfileConfig | None = None) -> Profile:
    """Return the strength by order of one network; raises `RunError` where its table is not complete."""
    config = config or ProfileConfig()
    drawn = _Drawn(table, config)
    n = table.settings.regions
    low, high = config.ranges(n)
    right = (table.predicted == table.label).astype(np.float64)
    return Profile(
        network=table.network,
        clouds=len(right),
        regions=n,
        accuracy=wilson(float(right.mean()), len(right)),
        effect=float(drawn.mean_effect[0]),
        share_of_effect=_intervals(drawn.share_of_effect),
        share_of_mean=_intervals(drawn.share_of_mean),
        positive=_intervals(drawn.positive),
        negative=_intervals(drawn.negative),
        salient=_intervals(drawn.salient),
        low_orders=low,
        high_orders=high,
        low=percentile_interval(drawn.within(low)),
        high=percentile_interval(drawn.within(high)),
    )


def compare(table: InteractionTable, less: InteractionTable, config: ProfileConfig | None = None) -> Difference:
    """Return the strength of `table` less that of `less`, paired over clouds.

    Raises:
        SettingError: tables of other clouds, points, regions or scores.
    """
    config = config or ProfileConfig()
    if not same_question(table, less):
        raise SettingError(
            f"{table.network} and {less.network} were measured on other clouds, regions or scores; "
            "measure both in one call of `pointssl interpret`"
        )
    a, b = _Drawn(table, config), _Drawn(less, config)
    low, high = config.ranges(table.settings.regions)
    return Difference(
        network=table.network,
        less=less.network,
        share_of_effect=_intervals(a.share_of_effect - b.share_of_effect),
        share_of_mean=_intervals(a.share_of_mean - b.share_of_mean),
        low=percentile_interval(a.within(low) - b.within(low)),
        high=percentile_interval(a.within(high) - b.within(high)),
        accuracy=percentile_interval(a.accuracy - b.accuracy),
    )


class _Drawn:
    """Every figure for the clouds themselves (row 0) and for each of their resamples."""

    def __init__(self, table: InteractionTable, config: ProfileConfig) -> None:
        dividends, v = table.dividends(), table.values()
        self._display = config.display
        weight = bootstrap_weights(len(v), config.seed)
        each = weight @ strength.mean_strength(dividends).numpy()
        self.mean_effect = weight @ strength.total_effect(v).numpy()
        # A network whose score no region moves has no strength at all, not one that is unknown.
        tiny = np.finfo(np.float64).tiny
        self.share_of_effect = each / np.maximum(self.mean_effect, tiny)[:, None]
        self.share_of_mean = each / np.maximum(each.mean(axis=1, keepdims=True), tiny)
        large = strength.salient_strength(dividends, config.salient)
        self.positive, self.negative, self.salient = (
            weight @ part.numpy() for part in (large.positive, large.negative, large.count)
        )
        self.accuracy = weight @ (table.predicted == table.label).astype(np.float64)

    def within(self, orders: tuple[int, int]) -> Float64[np.ndarray, " s"]:
        """Return the mean strength of a range of orders."""
        shown = self.share_of_effect if self._display == "share_of_effect" else self.share_of_mean
        mean: Float64[np.ndarray, " s"] = shown[:, orders[0] - 1 : orders[1]].mean(axis=1)
        return mean


def _intervals(values: Float64[np.ndarray, "s r"]) -> tuple[Estimate, ...]:
    return tuple(percentile_interval(column) for column in values.T)
