"""The page of a comparison of networks by their interactions."""

from pathlib import Path

from pointssl import files
from pointssl.formatting import percent
from pointssl.interpret.comparison import Comparison
from pointssl.interpret.table import InteractionTable
from pointssl.show.interactions import figures
from pointssl.show.page import page, viewer
from pointssl.show.page.page import Panel


def write(found: Comparison, folder: Path, *, up: str = "z") -> Path:
    """Write `interactions.html` into `folder`; return its path."""
    path = folder / "interactions.html"
    files.write_text(path, html(found, up=up))
    return path


def html(found: Comparison, *, up: str = "z") -> str:
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


def panels(found: Comparison, up: str) -> list[Panel]:
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


def _asked(first: InteractionTable) -> str:
    score = {"log_odds": "log-odds", "log_p": "log probability", "logit": "logit"}[first.settings.score]
    return f"{score} of the cloud's {'own' if first.settings.target == 'true' else 'predicted'} class"
