"""Several networks on the same clouds: profiles, differences from the first, and single interactions worth a look."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointssl import files
from pointssl.interpret.profiles import Difference, Profile, ProfileConfig, compare, profile
from pointssl.interpret.table import InteractionTable
from pointssl.interpret.top_interactions import TopInteraction, largest_interactions, most_different_interactions

SHOWN = 4
"""Single interactions picked of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Networks measured on the same clouds; the first is what the others are compared with."""

    config: ProfileConfig
    tables: tuple[InteractionTable, ...]
    profiles: tuple[Profile, ...]
    differences: tuple[Difference, ...]
    low: tuple[TopInteraction, ...]
    """Low-order interactions of the first two networks that differ most, or the largest of one."""
    high: tuple[TopInteraction, ...]


def compare_networks(tables: Sequence[InteractionTable], config: ProfileConfig | None = None) -> Comparison:
    """Return profiles, paired differences from the first network, and the single interactions worth a look.

    Raises:
        SettingError: tables of other clouds, regions or scores.
    """
    config = config or ProfileConfig()
    first, *others = tables
    low, high = config.ranges(first.settings.regions)

    def singles(orders: tuple[int, int]) -> tuple[TopInteraction, ...]:
        if not others:
            return tuple(largest_interactions(first, orders, count=SHOWN))
        return tuple(most_different_interactions(first, others[0], orders, count=SHOWN))

    return Comparison(
        config=config,
        tables=tuple(tables),
        profiles=tuple(profile(one, config) for one in tables),
        differences=tuple(compare(one, first, config) for one in others),
        low=singles(low),
        high=singles(high),
    )


def save(found: Comparison, path: Path) -> None:
    """Write all figures as JSON, atomically."""
    files.write_json(path, as_json(found))


def as_json(found: Comparison) -> dict[str, Any]:
    """Return all figures, and what they were measured on."""
    first = found.tables[0]
    return {
        "data": first.data,
        "fingerprint": first.fingerprint,
        "settings": asdict(first.settings),
        "display": asdict(found.config),
        "clouds": first.index.tolist(),
        "weights": {one.network: one.weights for one in found.tables},
        "profiles": [asdict(one) for one in found.profiles],
        "differences": [asdict(one) for one in found.differences],
        "single": {
            "networks": [one.network for one in found.tables[:2]],
            "low": [_single(first, one) for one in found.low],
            "high": [_single(first, one) for one in found.high],
        },
    }


def _single(first: InteractionTable, one: TopInteraction) -> dict[str, Any]:
    values = {"regions": list(one.regions), "order": one.order, "interaction": list(one.interaction)}
    return {"cloud": int(first.index[one.cloud]), **values}
