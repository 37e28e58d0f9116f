"""Pictures and tables of interactions: strength by order of several networks, their differences, single ones in 3D."""

from collections.abc import Sequence

import numpy as np

from pointssl.data.cloud import Labels
from pointssl.formatting import number
from pointssl.interpret.profiles import Difference, Profile
from pointssl.interpret.table import InteractionTable
from pointssl.interpret.top_interactions import TopInteraction
from pointssl.show.page import style
from pointssl.show.page.estimates import line, points_cell, series_colours, share_cell, value_cell
from pointssl.show.page.page import Cell, table
from pointssl.show.scene import Marks, ShapeView

UNITS = {"log_odds": "nats of log-odds", "log_p": "nats", "logit": "logits"}
"""What a value is counted in, by score."""
ABSENT = "#9aa3ab"
"""Colour of the regions that take no part; it reads on light and on dark paper."""


@style.drawing()
def strength_picture(profiles: Sequence[Profile], unit: str) -> style.Picture:
    """Draw the three displays of strength by order, with intervals over clouds."""
    figure, axes = style.new_figure(10.0, 5.8, 2, 2)
    titles = (
        ("Mean |I|, as a share of the effect", "share of |v(all) − v(nothing)|", "share_of_effect"),
        ("Mean |I|, as a share of its mean over orders", "times the mean", "share_of_mean"),
        ("Salient interactions, summed by sign", unit, "positive"),
        ("Salient interactions, counted", "per cloud", "salient"),
    )
    for place, (title, label, name) in zip(axes, titles, strict=True):
        for profile, colour in zip(profiles, series_colours(len(profiles)), strict=True):
            line(place, getattr(profile, name), colour, profile.network)
            if name == "positive":
                line(place, profile.negative, colour, None)
        place.set_title(title)
        place.set_ylabel(label)
        place.set_xlabel("order: regions that act together")
        place.set_xticks(range(1, profiles[0].regions + 1))
    axes[2].axhline(0, color=style.MUTED, linewidth=0.8)
    if len(profiles) > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(4, len(profiles)))
    names = ", ".join(profile.network for profile in profiles)
    return style.render(figure, "strength", f"Strength of interactions by order, with 95 % intervals: {names}")


@style.drawing()
def difference_picture(differences: Sequence[Difference]) -> style.Picture:
    """Draw how much stronger each order is than in the first network; an interval that leaves out 0 is a difference."""
    figure, axes = style.new_figure(10.0, 3.2, 1, 2)
    colours = series_colours(len(differences) + 1)[1:]
    for place, name, title in (
        (axes[0], "share_of_effect", "Difference of shares of the effect"),
        (axes[1], "share_of_mean", "Difference of shares of the mean over orders"),
    ):
        place.axhline(0, color=style.MUTED, linewidth=0.8)
        for difference, colour in zip(differences, colours, strict=True):
            line(place, getattr(difference, name), colour, f"{difference.network} − {difference.less}")
        place.set_title(title)
        place.set_xlabel("order")
        place.set_xticks(range(1, len(differences[0].share_of_effect) + 1))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(3, len(differences)))
    return style.render(figure, "differences", "Paired differences of strength by order, with 95 % intervals")


@style.drawing()
def accuracy_picture(profiles: Sequence[Profile]) -> style.Picture:
    """Draw accuracy on the measured clouds beside the strength of the high orders, a dot per network."""
    figure, [axes] = style.new_figure(6.0, 3.6)
    for profile, colour in zip(profiles, series_colours(len(profiles)), strict=True):
        x, y = profile.high, profile.accuracy
        if x.low is not None and x.high is not None:
            axes.plot([x.low, x.high], [100 * y.mean] * 2, color=colour, alpha=0.5)
        if y.low is not None and y.high is not None:
            axes.plot([x.mean] * 2, [100 * y.low, 100 * y.high], color=colour, alpha=0.5)
        axes.scatter([x.mean], [100 * y.mean], color=colour, s=42, zorder=3)
        axes.annotate(profile.network, (x.mean, 100 * y.mean), (6, 6), textcoords="offset points", fontsize=8.5)
    axes.set_xlabel("strength of the high orders")
    axes.set_ylabel("accuracy on these clouds, %")
    axes.margins(0.15)
    return style.render(figure, "accuracy", "Accuracy beside the strength of high orders, one dot per network")


def summary_table(profiles: Sequence[Profile]) -> str:
    """Return accuracy, low and high strength of every network in HTML."""
    first = profiles[0]
    head = [
        Cell("Network"),
        Cell("Accuracy", number=True),
        Cell("Low orders", small="–".join(map(str, first.low_orders)), number=True),
        Cell("High orders", small="–".join(map(str, first.high_orders)), number=True),
        Cell("Effect", small="mean |v(all) − v(nothing)|", number=True),
    ]
    rows = [
        [
            Cell(one.network),
            share_cell(one.accuracy),
            value_cell(one.low),
            value_cell(one.high),
            Cell(f"{one.effect:.2f}", number=True),
        ]
        for one in profiles
    ]
    return table(head, rows)


def difference_table(differences: Sequence[Difference]) -> str:
    """Return the paired differences of accuracy, low and high strength in HTML."""
    head = [Cell("Difference"), *(Cell(name, number=True) for name in ("Accuracy", "Low orders", "High orders"))]
    rows = [
        [
            Cell(f"{one.network} − {one.less}"),
            points_cell(one.accuracy),
            value_cell(one.low, signed=True),
            value_cell(one.high, signed=True),
        ]
        for one in differences
    ]
    return table(head, rows)


def views(tables: Sequence[InteractionTable], singles: Sequence[TopInteraction], unit: str) -> list[ShapeView]:
    """Return each single interaction as an interactive cloud: its regions in colour, all others grey."""
    first = tables[0]
    made = []
    for one in singles:
        region = first.region[one.cloud]
        group = np.zeros(len(region), dtype=np.int64)
        for place, member in enumerate(one.regions):
            group[region == member] = place + 1
        made.append(
            ShapeView(
                name=f"order {one.order}: {_class(first, first.label, one.cloud)}",
                points=first.xyz[one.cloud],
                features=first.xyz[one.cloud],
                marks=Marks(
                    group=group,
                    colours=(ABSENT, *style.part_colours(len(one.regions))),
                    text=_sentence(tables, one, unit),
                ),
            )
        )
    return made


def _sentence(tables: Sequence[InteractionTable], one: TopInteraction, unit: str) -> str:
    """Say what a single interaction is worth in each network, and what each network takes the cloud for."""
    said = "; ".join(
        f"{t.network} {number(value, signed=True)} (takes it for {_class(t, t.predicted, one.cloud)})"
        for t, value in zip(tables, one.interaction, strict=True)
    )
    first = tables[0]
    acting = (
        "What the coloured region does alone"
        if one.order == 1
        else f"What the {one.order} coloured regions do together, beyond all fewer of them"
    )
    cloud = f"Cloud {first.index[one.cloud]}, {_class(first, first.label, one.cloud)}"
    return f"{cloud}. {acting}, in {unit}: {said}."


def _class(found: InteractionTable, labels: Labels, row: int) -> str:
    label = int(labels[row])
    return found.classes[label] if label < len(found.classes) else f"class {label}"
