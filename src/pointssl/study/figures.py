"""What is read from one measured network, for its clouds and for resamples of them: strength by order, and accuracy.

The clouds are drawn again with one set of weights for all networks, so that differences of networks are paired cloud by
cloud. Source of the displays: `ops/games/strength.py`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from pointssl.interpret.profiles import ProfileConfig
from pointssl.interpret.table import InteractionTable
from pointssl.ops.games import strength
from pointssl.ops.stats import bootstrap_weights, resampled_means


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One network; the first row is the clouds themselves, each other one a resample of them."""

    curve: Float64[np.ndarray, "s r"]
    """Strength of the orders 1 to r, in the display of the settings."""
    low: Float64[np.ndarray, " s"]
    high: Float64[np.ndarray, " s"]
    accuracy: Float64[np.ndarray, " s"]
    """On all test clouds, which are drawn again apart from the measured ones."""
    effect: float
    """Mean |v(all) - v(nothing)|."""


def figures(table: InteractionTable, right: Bool[np.ndarray, " t"], config: ProfileConfig) -> Figures:
    """Return the figures of a network that got the test clouds `right`; raises `RunError` for a damaged table."""
    weight = bootstrap_weights(len(table.v), config.seed)
    each = weight @ strength.mean_strength(table.dividends()).numpy()
    effect = weight @ strength.total_effect(table.values()).numpy()
    tiny = np.finfo(np.float64).tiny
    unit = effect[:, None] if config.display == "share_of_effect" else each.mean(axis=1, keepdims=True)
    curve = each / np.maximum(unit, tiny)
    low, high = config.ranges(table.settings.regions)
    return Figures(
        curve=curve,
        low=curve[:, low[0] - 1 : low[1]].mean(axis=1),
        high=curve[:, high[0] - 1 : high[1]].mean(axis=1),
        accuracy=resampled_means(right.astype(np.float64), config.seed + 1),
        effect=float(effect[0]),
    )
