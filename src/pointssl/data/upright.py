"""Which axis of a set of clouds probably points up.

What stands on a floor has level surfaces (tops, seats, the floor itself), so that its points crowd at some heights, and
is not the same upside down. Ours. On sets whose axis is known 56 to 100 % of the clouds vote for it, none of them
safely: the axis is believed where most clouds of a set agree, and a picture (`data check --sheet`) says more.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pointssl.data.cloud import Points

LEAST = 8
"""Clouds below which nothing is concluded."""


def up_vote(points: Points) -> int:
    """Return the axis (0, 1, 2) along which the points of a cloud are most crowded and least symmetric."""
    scores = []
    for along in points.T.astype(np.float64):
        crowd, mirror = (np.histogram(along, bins=bins)[0] / len(along) for bins in (32, 16))
        entropy = -float((crowd[crowd > 0] * np.log(crowd[crowd > 0])).sum())
        scores.append(float(np.abs(mirror - mirror[::-1]).sum() / 2) - entropy / 2)
    return int(np.argmax(scores))


def probable_up(votes: Sequence[int]) -> str:
    """Return the axis that more than half of the clouds vote for, and how many; empty where none has so many."""
    if len(votes) < LEAST:
        return ""
    axis, count = Counter(votes).most_common(1)[0]
    return f"{'xyz'[axis]} ({count} of {len(votes)} clouds)" if 2 * count > len(votes) else ""
