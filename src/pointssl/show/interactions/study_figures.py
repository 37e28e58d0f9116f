"""Tables and pictures of a study: claims, arms, their differences, and what carries over."""

from pointssl.formatting import percent
from pointssl.show.page import style
from pointssl.show.page.estimates import line, p_cell, points_cell, series_colours, share_cell, value_cell
from pointssl.show.page.page import Cell, table
from pointssl.study.result import Group, Study

UNITS = {
    "share_of_effect": "share of |v(all) − v(nothing)|",
    "share_of_mean": "times the mean over orders",
}
"""What strength is counted in, by display."""


def claims_table(study: Study) -> str:
    """Return every claim with its figures and verdict in HTML."""
    head = [Cell("Claim"), Cell("Figure", number=True), Cell("p", small="after Holm", number=True), Cell("Verdict")]
    rows = []
    for claim in study.claims:
        rows.append([Cell(claim.text), Cell(""), Cell(""), Cell(claim.verdict, strong=True)])
        for one in claim.tests:
            way = "above" if one.claimed > 0 else "below"
            what = f"{one.what}; claimed {way} 0"
            rows.append([Cell("", small=what), value_cell(one.estimate, signed=True), p_cell(one.p_holm), Cell("")])
    return table(head, rows)


def groups_table(study: Study) -> str:
    """Return accuracy, low and high strength of every group in HTML."""
    low, high = (_orders(orders) for orders in (study.low_orders, study.high_orders))
    head = [Cell("Networks"), *([Cell("Level", number=True)] if study.level else [])]
    head += [Cell("Accuracy", number=True), Cell("Low orders", small=low, number=True)]
    head += [Cell("High orders", small=high, number=True), Cell("Effect", small="nats", number=True)]
    rows = [
        [
            Cell(one.name),
            *([_level(one.level)] if study.level else []),
            share_cell(one.accuracy),
            value_cell(one.low),
            value_cell(one.high),
            Cell(f"{one.effect:.2f}", number=True),
        ]
        for line in _lines(study).values()
        for one in line
    ]
    return table(head, rows)


def differences_table(study: Study) -> str:
    """Return the differences from scratch in HTML."""
    head = [Cell("Difference"), *([Cell("Level", number=True)] if study.level else [])]
    head += [Cell(name, number=True) for name in ("Accuracy, points", "Low orders", "High orders")]
    rows = [
        [
            Cell(f"{one.name} − {one.less}"),
            *([_level(one.level)] if study.level else []),
            points_cell(one.accuracy),
            value_cell(one.low, signed=True),
            value_cell(one.high, signed=True),
        ]
        for one in study.differences
    ]
    return table(head, rows)


def transfers_table(study: Study) -> str:
    """Return the accuracy of frozen features elsewhere in HTML."""
    head = [Cell("Protocol"), Cell("Probe"), Cell("Networks")]
    head += [Cell(name, number=True) for name in ("Accuracy", "From scratch, %", "Difference, points")]
    rows = [
        [
            Cell(one.protocol),
            Cell(one.probe),
            Cell(one.name),
            Cell(f"{100 * one.accuracy:.1f}", number=True),
            Cell(f"{100 * one.accuracy_less:.1f}", number=True),
            points_cell(one.difference),
        ]
        for one in study.transfers
    ]
    return table(head, rows)


def overlaps_table(study: Study) -> str:
    """Return protocol C in HTML."""
    head = [
        Cell("Networks"),
        *(Cell(name, number=True) for name in ("Orders", "Share, %", "Chance, %", "Beyond chance")),
    ]
    rows = [
        [
            Cell(one.name),
            Cell(_orders(one.orders), number=True),
            Cell(f"{100 * one.share:.1f}", number=True),
            Cell(f"{100 * one.chance:.1f}", number=True),
            value_cell(one.beyond),
        ]
        for one in study.overlaps
    ]
    return table(head, rows)


@style.drawing()
def curves_pictures(study: Study) -> list[style.Picture]:
    """Draw strength by order, and the difference from scratch where there is one: a picture for every line."""
    made = []
    for number, (title, members) in enumerate(_lines(study).items()):
        gaps = [one for one in study.differences if not study.level or one.name == title]
        figure, axes = style.new_figure(10.0, 3.2, 1, 2 if gaps else 1)
        colours = series_colours(len(members))
        for one, colour in zip(members, colours, strict=True):
            line(axes[0], one.curve, colour, _named(one))
        axes[0].set_title(title or "Strength by order")
        axes[0].set_ylabel(UNITS[study.display])
        if gaps:
            axes[1].axhline(0, color=style.MUTED, linewidth=0.8)
            # One colour means one arm, or one level of an arm, in both pictures.
            own = colours[1:] if not study.level else colours
            for gap, colour in zip(gaps, own, strict=True):
                line(axes[1], gap.curve, colour, None)
            axes[1].set_title("Less from scratch")
        for place in axes:
            place.set_xlabel("order: regions that act together")
            place.set_xticks(range(1, len(members[0].curve) + 1))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(7, len(members)))
        made.append(style.render(figure, f"curves-{number}", f"Strength by order, with intervals: {title or 'all'}"))
    return made


@style.drawing()
def levels_picture(study: Study) -> style.Picture:
    """Draw accuracy, low and high strength against the level, a line per arm."""
    figure, axes = style.new_figure(10.0, 3.2, 1, 3)
    lines = _lines(study)
    for place, (name, title, size) in zip(
        axes,
        (("accuracy", "Accuracy", 100.0), ("low", "Low orders", 1.0), ("high", "High orders", 1.0)),
        strict=True,
    ):
        for (label, members), colour in zip(lines.items(), series_colours(len(lines)), strict=True):
            found = sorted(members, key=lambda one: one.level or 0.0)
            bands = [getattr(one, name) for one in found]
            line(place, bands, colour, label, x=[one.level or 0.0 for one in found], scale=size)
        place.set_title(title)
        place.set_xlabel(study.level)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=min(4, len(lines)))
    return style.render(figure, "levels", f"Accuracy, low and high orders by {study.level}: {', '.join(lines)}")


@style.drawing()
def accuracy_picture(study: Study) -> style.Picture:
    """Draw accuracy beside the strength of high orders: a small dot per network, a large one per arm."""
    figure, [axes] = style.new_figure(6.0, 3.6)
    for one, colour in zip(study.groups, series_colours(len(study.groups)), strict=True):
        x, y = one.high, one.accuracy
        axes.scatter(x.per_seed, [100 * value for value in y.per_seed], color=colour, s=14, alpha=0.6)
        axes.scatter([x.mean], [100 * y.mean], color=colour, s=48, zorder=3)
        axes.annotate(one.name, (x.mean, 100 * y.mean), (6, 6), textcoords="offset points", fontsize=8.5)
    axes.set_xlabel("strength of the high orders")
    axes.set_ylabel("accuracy, %")
    axes.margins(0.15)
    return style.render(figure, "accuracy", "Accuracy beside the strength of high orders, by arm and network")


def _lines(study: Study) -> dict[str, list[Group]]:
    """Return the groups that differ by their level alone together; all where there are no levels."""
    made: dict[str, list[Group]] = {}
    for one in study.groups:
        made.setdefault(one.name if study.level else "", []).append(one)
    return made


def _orders(orders: tuple[int, int]) -> str:
    return str(orders[0]) if orders[0] == orders[1] else f"{orders[0]}–{orders[1]}"


def _named(one: Group) -> str:
    return one.name if one.level is None else percent(one.level)


def _level(level: float | None) -> Cell:
    return Cell("" if level is None else percent(level), number=True)
