"""Figures with their intervals, as cells of a table and as lines with a pale band."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pointssl.formatting import interval, number, p_value
from pointssl.ops.stats import Estimate
from pointssl.show.page import style
from pointssl.show.page.page import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def share_cell(estimate: Estimate | None, *, strong: bool = False) -> Cell:
    """Return an accuracy in percent with its interval; a dash where there is none."""
    if estimate is None:
        return Cell("–", number=True)
    text = f"{number(100 * estimate.mean, 1)} %"
    return Cell(text, small=_scaled(estimate, 1, signed=False), number=True, strong=strong)


def points_cell(estimate: Estimate | None) -> Cell:
    """Return a difference of two accuracies in points with its interval; a dash where there is none."""
    if estimate is None:
        return Cell("–", number=True)
    return Cell(number(100 * estimate.mean, 1, signed=True), small=_scaled(estimate, 1, signed=True), number=True)


def value_cell(estimate: Estimate, *, signed: bool = False) -> Cell:
    """Return a figure in its own unit with its interval; small ones get a digit more."""
    values = [abs(value) for value in (estimate.mean, estimate.low, estimate.high) if value is not None]
    digits = 4 if max(values) < 0.1 else 3
    small = interval(estimate.low, estimate.high, digits, signed=signed)
    return Cell(number(estimate.mean, digits, signed=signed), small=small, number=True)


def p_cell(p: float | None) -> Cell:
    """Return a p value; a dash where nothing was tested."""
    return Cell(p_value(p) or "–", number=True)


def line(
    axes: "Axes",
    estimates: Sequence[Estimate],
    colour: str,
    label: str | None,
    *,
    x: Sequence[float] | None = None,
    scale: float = 1.0,
) -> None:
    """Draw a line through the figures, at 1, 2, ... unless `x` says where, with their intervals as a pale band."""
    at = list(range(1, len(estimates) + 1)) if x is None else list(x)
    axes.plot(at, [scale * one.mean for one in estimates], color=colour, label=label, marker="o", markersize=3)
    bounds = [(one.low, one.high) for one in estimates if one.low is not None and one.high is not None]
    if len(bounds) == len(estimates):
        low, high = ([scale * pair[side] for pair in bounds] for side in (0, 1))
        axes.fill_between(at, low, high, color=colour, alpha=0.16, linewidth=0)


def series_colours(count: int) -> tuple[str, ...]:
    """Return colours of networks or groups; the first is grey, as what others are measured against is everywhere."""
    if count == 1:
        return (style.ACCENT,)
    return (style.BASELINE, style.ACCENT, *style.part_colours(count)[1 : count - 1])


def _scaled(estimate: Estimate, digits: int, *, signed: bool) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return interval(100 * estimate.low, 100 * estimate.high, digits, signed=signed)
