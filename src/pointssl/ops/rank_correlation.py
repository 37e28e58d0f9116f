"""Do two figures rise together over several networks, and is that more than chance?

Spearman's rho of every seed, as a mean over seeds with the interval of `ops/evidence.py`; its p is the larger of that
interval's and that of rearranging the items.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from pointssl.ops.evidence import seed_interval
from pointssl.ops.stats import Estimate

PERMUTATIONS = 5040
"""Most rearrangements that are all tried; beyond, as many are drawn."""


def association(
    x: Float64[np.ndarray, "k s i"], y: Float64[np.ndarray, "k s i"], *, together: bool, seed: int = 0
) -> Estimate:
    """Return Spearman's rho of x and y over items, as a mean over seeds; figures that do not move have rho 0.

    Its p is the larger of the interval's and that of rearranged items.

    Args:
        x: figures of every seed, resample of the clouds (the first is the clouds themselves) and item.
        y: the same of the other figure.
        together: rearrange the items of all seeds alike (items are kinds of networks, which stay what they are), or
            each seed's by themselves (items are trainings).
        seed: decides which rearrangements are drawn where they are too many.
    """
    found = seed_interval(_rho(x, y))
    low, high = (None if end is None else float(np.clip(end, -1, 1)) for end in (found.low, found.high))
    p = max(found.p or 0.0, _rearranged(x[:, 0], y[:, 0], together=together, seed=seed))
    return replace(found, low=low, high=high, p=p)


def _rho(x: Float64[np.ndarray, "... i"], y: Float64[np.ndarray, "... i"]) -> Float64[np.ndarray, "..."]:
    from scipy.stats import rankdata

    a, b = (rankdata(part, axis=-1) for part in np.broadcast_arrays(x, y))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    rho: Float64[np.ndarray, ...] = np.where(size > 0, (a * b).sum(axis=-1) / np.where(size > 0, size, 1.0), 0.0)
    return rho


def _rearranged(x: Float64[np.ndarray, "k i"], y: Float64[np.ndarray, "k i"], *, together: bool, seed: int) -> float:
    """Return the share of rearrangements of y whose mean rho lies at least as far from 0."""
    seeds, items = x.shape
    observed = abs(float(_rho(x, y).mean()))
    every = math.factorial(items) if together or seeds == 1 else math.factorial(items) ** seeds
    generator = np.random.default_rng(seed)
    if (together or seeds == 1) and every <= PERMUTATIONS:
        orders = np.array(list(itertools.permutations(range(items))))[:, None, :].repeat(seeds, axis=1)
    else:
        rows = 1 if together else seeds
        drawn = generator.permuted(np.tile(np.arange(items), (PERMUTATIONS, rows, 1)), axis=-1)
        orders = np.broadcast_to(drawn, (PERMUTATIONS, seeds, items))
    shuffled = np.take_along_axis(np.broadcast_to(y, orders.shape), orders, axis=-1)
    as_far = int((np.abs(_rho(np.broadcast_to(x, orders.shape), shuffled).mean(axis=-1)) >= observed - 1e-9).sum())
    exact = (together or seeds == 1) and every <= PERMUTATIONS
    return as_far / len(orders) if exact else (as_far + 1) / (len(orders) + 1)
