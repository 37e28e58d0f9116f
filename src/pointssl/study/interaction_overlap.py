"""Do the salient interactions of a network recur in another one that was trained for the same task?

Source: the share of salient interactions that another network has too is how H. Zhou et al., "Explaining Generalization
Power of a DNN Using Interactive Concepts", AAAI 2024, define that interactions generalise. Ours: what chance would give
is taken off, as orders differ in how many of their interactions are salient.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64

from pointssl.interpret.profiles import ProfileConfig
from pointssl.ops.evidence import HypothesisTest, hypothesis, seed_interval
from pointssl.ops.games.dividends import order
from pointssl.ops.stats import bootstrap_weights
from pointssl.study.networks import Network
from pointssl.study.result import Overlap

Rows = Float64[np.ndarray, "k s"]


def overlap(name: str, members: Sequence[Network], orders: tuple[int, int], seed: int) -> tuple[Overlap, Rows]:
    """Return how often interactions of these orders recur in the networks of other seeds; needs two seeds.

    The second value is the share beyond chance per seed, for the clouds themselves and for their resamples.
    """
    salient = np.stack([one.salient for one in members])
    size = order(salient.shape[2].bit_length() - 1).numpy()
    wanted = salient[:, :, (size >= orders[0]) & (size <= orders[1])]
    share, chance = shares(wanted, seed)
    beyond = (share - chance) / np.maximum(1 - chance, np.finfo(np.float64).tiny)
    made = Overlap(
        name=name,
        orders=orders,
        share=float(share[:, 0].mean()),
        chance=float(chance[:, 0].mean()),
        beyond=seed_interval(beyond),
    )
    return made, beyond


def shares(salient: Bool[np.ndarray, "k m c"], seed: int) -> tuple[Rows, Rows]:
    """Return per network the share of its salient interactions that are salient in the others, and chance's share."""
    networks, clouds, count = salient.shape
    weight = bootstrap_weights(clouds, seed)
    own = weight @ salient.sum(axis=2).T.astype(np.float64)  # (s, k)
    share, chance = [], []
    for a in range(networks):
        others = [b for b in range(networks) if b != a]
        both = np.mean([(salient[a] & salient[b]).sum(axis=1) for b in others], axis=0)
        # Chance: as many marks of the other network as it has, anywhere among the interactions of the same cloud.
        random = np.mean([salient[a].sum(axis=1) * salient[b].sum(axis=1) / count for b in others], axis=0)
        total = np.maximum(own[:, a], np.finfo(np.float64).tiny)
        share.append(weight @ both / total)
        chance.append(weight @ random / total)
    return np.stack(share), np.stack(chance)


def overlaps_of(
    arms: Mapping[str, Sequence[Network]], display: ProfileConfig, regions: int
) -> tuple[list[Overlap], list[HypothesisTest]]:
    """Return protocol C for low and high orders of every arm, and the tests that high ones overlap less.

    Both are empty where there is one network of each arm alone.
    """
    low, high = display.ranges(regions)
    made, tests = [], []
    for name, members in arms.items():
        if len(members) < 2:
            continue
        of_low, few = overlap(name, members, low, display.seed)
        of_high, many = overlap(name, members, high, display.seed)
        made += [of_low, of_high]
        tests.append(hypothesis(f"overlap beyond chance, high less low orders, {name}", -1, seed_interval(many - few)))
    return made, tests
