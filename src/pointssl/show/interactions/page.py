"""The page of a comparison of networks by their interactions, and the same figures as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointssl import files
from pointssl.formatting import percent
from pointssl.interpret.profile import Difference, Profile, ProfileConfig, compare, profile
from pointssl.interpret.table import InteractionTable
from pointssl.interpret.top_interactions import Single, largest, most_different
from pointssl.show.interactions import figures
from pointssl.show.page import page, viewer
from pointssl.show.page.page import Panel

SHOWN = 4
"""Single interactions drawn of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that is shown; the first network is what the others are compared with."""

    config: ProfileConfig
    tables: tuple[InteractionTable, ...]
    profiles: tuple[Profile, ...]
    differences: tuple[Difference, ...]
    low: tuple[Single, ...]
    """Low-order interactions of the first two networks that differ most, or the largest of one."""
    high: tuple[Single, ...]


def study(tables: Sequence[InteractionTable], config: ProfileConfig | None = None) -> Study:
    """Return profiles, paired differences from the first network, and the single interactions worth a look.

    Raises:
        SettingError: tables of other clouds, regions or scores.
    """
    config = config or ProfileConfig()
    first, *others = tables
    low, high = config.ranges(first.settings.regions)

    def singles(orders: tuple[int, int]) -> tuple[Single, ...]:
        if not others:
            return tuple(largest(first, orders, count=SHOWN))
        return tuple(most_different(first, others[0], orders, count=SHOWN))

    return Study(
        config=config,
        tables=tuple(tables),
        profiles=tuple(profile(one, config) for one in tables),
        differences=tuple(compare(one, first, config) for one in others),
        low=singles(low),
        high=singles(high),
    )


def write(found: Study, folder: Path, *, up: str = "z") -> Path:
    """Write `figures.html` and `figures.json` into `folder`; return the page's path."""
    files.write_json(folder / "interactions.json", as_json(found))
    path = folder / "interactions.html"
    files.write_text(path, html(found, up=up))
    return path


def html(found: Study, *, up: str = "z") -> str:
    """Return the page."""
    first = found.tables[0]
    n = first.settings.regions
    lead = (
        f"{len(first.index)} clouds of {first.data}, cut into {n} regions each; every network answered all {2**n:,} "
        f"combinations of regions of every cloud. An interaction is what a set of regions adds to the "
        f"{_asked(first)} beyond all smaller sets in it; its order is the number of regions."
    )
    return page.build_page(
        title="Which structures are used",
        kicker=", ".join(one.network for one in found.tables),
        lead=lead,
        panels=panels(found, up),
        footer="All intervals are 95 %, over clouds drawn again; the sums of all interactions gave every value back.",
    )


def panels(found: Study, up: str) -> list[Panel]:
    """Return the sections of the page."""
    first, several = found.tables[0], len(found.tables) > 1
    unit = figures.UNITS[first.settings.score]
    made = [
        Panel(
            title="Low and high orders",
            sentence="Strength of few regions together (low orders: simple, local) and of many (high orders: complex, "
            "global), beside the share of these clouds that the network gets right.",
            html=figures.summary_table(found.profiles)
            + (figures.difference_table(found.differences) if several else ""),
            pictures=[figures.accuracy_picture(found.profiles)] if several else [],
            note="Differences are paired cloud by cloud; one counts where its interval leaves out 0."
            if several
            else "",
        ),
        Panel(
            title="Strength by order",
            sentence="The same interactions in three displays: absolute levels, the shape of the profile alone, and "
            f"the few large ones (above {percent(found.config.salient)} of the largest of their cloud), by sign "
            "and by number.",
            pictures=[figures.strength_picture(found.profiles, unit)],
        ),
    ]
    if several:
        made.append(
            Panel(
                title="Differences by order",
                sentence=f"Each network less {first.network}, on the same clouds and regions.",
                pictures=[figures.difference_picture(found.differences)],
            )
        )
    shown = [*found.low, *found.high]
    tables = found.tables[:2]
    what = f"differ most between {' and '.join(t.network for t in tables)}" if several else "are largest"
    made.append(
        Panel(
            title="Single interactions",
            sentence=f"The low-order and the high-order interactions that {what}, on the clouds they were found in: "
            "regions that act together in colour, all others grey. Drag to turn.",
            view=viewer.pack(figures.views(tables, shown, unit), up=up),
        )
    )
    return made


def as_json(found: Study) -> dict[str, Any]:
    """Return all figures of the page, and what they were measured on."""
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


def _single(first: InteractionTable, one: Single) -> dict[str, Any]:
    values = {"regions": list(one.regions), "order": one.order, "interaction": list(one.interaction)}
    return {"cloud": int(first.index[one.cloud]), **values}


def _asked(first: InteractionTable) -> str:
    score = {"log_odds": "log-odds", "log_p": "log probability", "logit": "logit"}[first.settings.score]
    return f"{score} of the cloud's {'own' if first.settings.target == 'true' else 'predicted'} class"
