"""Groups of networks as figures with intervals, and their differences paired by seed and cloud."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float64

from pointssl.ops.evidence import seed_interval
from pointssl.runs.config import to_json
from pointssl.study.networks import Network, Networks
from pointssl.study.pretrained import RunGroup
from pointssl.study.result import Difference, Group

Rows = Float64[np.ndarray, "k s"]


def group(name: str, members: Sequence[Network], level: float | None = None) -> Group:
    """Return the figures of networks that differ by the seed."""
    return Group(
        name=name,
        level=level,
        runs=tuple(str(one.run.name) for one in members),
        accuracy=seed_interval(rows(members, "accuracy")),
        low=seed_interval(rows(members, "low")),
        high=seed_interval(rows(members, "high")),
        curve=tuple(seed_interval(one) for one in _orders(members)),
        effect=float(np.mean([one.figures.effect for one in members])),
    )


def difference(
    name: str, members: Sequence[Network], less: str, others: Sequence[Network], level: float | None = None
) -> Difference:
    """Return one group less another; both have one network per seed, in the same order."""

    def gap(which: str) -> Rows:
        made: Rows = rows(members, which) - rows(others, which)
        return made

    curves = [a - b for a, b in zip(_orders(members), _orders(others), strict=True)]
    return Difference(
        name=name,
        less=less,
        level=level,
        accuracy=seed_interval(gap("accuracy")),
        low=seed_interval(gap("low")),
        high=seed_interval(gap("high")),
        curve=tuple(seed_interval(one) for one in curves),
    )


def rows(members: Sequence[Network], which: str) -> Rows:
    """Return one figure of networks: a row each, for the clouds themselves and for their resamples."""
    found: list[Float64[np.ndarray, " s"]] = [getattr(one.figures, which) for one in members]
    return np.stack(found)


def items(groups: Sequence[Sequence[Network]], which: str) -> Float64[np.ndarray, "k s i"]:
    """Return one figure of several groups with the same seeds: (seed, resample, group)."""
    made: Float64[np.ndarray, "k s i"] = np.stack([rows(members, which) for members in groups], axis=-1)
    return made


def shared(networks: Networks) -> dict[str, Any]:
    """Return what every study says of its data and settings."""
    config, n = networks.config, networks.config.interact.regions
    low, high = config.display.ranges(n)
    recipe = to_json(config.recipe)
    return {
        "data": networks.splits.name,
        "clouds": min(config.interact.clouds, len(networks.splits.test)),
        "test_clouds": len(networks.splits.test),
        "seeds": config.seeds,
        "low_orders": low,
        "high_orders": high,
        "display": config.display.display,
        "settings": {
            "recipe": recipe,
            "least_steps": config.least_steps,
            "interactions": asdict(config.measured),
            "display": asdict(config.display),
            "fingerprints": [networks.splits.train.fingerprint, networks.splits.test.fingerprint],
        },
    }


def notes(networks: Networks, kinds: Sequence[RunGroup]) -> tuple[str, ...]:
    """Return what limits any study with these seeds and runs."""
    seeds = len(networks.config.seeds)
    said = []
    if seeds == 1:
        said.append(
            "One seed: intervals cover the choice of clouds alone, and nothing is decided; give at least two seeds."
        )
    for kind in kinds:
        if len(kind.runs) < seeds:
            said.append(
                f"{kind.name}: {len(kind.runs)} pre-trained run(s) serve {seeds} seeds; the chance in pre-training is "
                "not, or not fully, covered."
            )
    return tuple(said)


def _orders(members: Sequence[Network]) -> list[Rows]:
    curves = np.stack([one.figures.curve for one in members])  # (seed, resample, order)
    return [curves[:, :, order] for order in range(curves.shape[2])]
