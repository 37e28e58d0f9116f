"""How much the two sides of a contrast know of each other along training: one curve per view or per level.

Source: the lower bound of A. van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018;
H.-T. Yu, M. Song, "MM-Point", AAAI 2024, show how the mutual information of clouds and views changes in training.
"""

import math
from collections.abc import Sequence

import numpy as np

from pointssl.show.page import style
from pointssl.show.run.curves import Lines, series, smooth

COPIES = "bound_intra"


def tracked(lines: Lines) -> list[str]:
    """Return the names of the bounds that a run has logged at least twice: copies, then views, then levels."""
    names = {key for line in lines for key in line if key.startswith("bound_")}
    found = [name for name in names if len(series(lines, name)[0]) > 1]
    return sorted(found, key=lambda name: (name != COPIES, *_kind(name)))


@style.drawing()
def information_picture(lines: Lines, clouds: int) -> style.Picture | None:
    """Draw the bounds of all views, and of all levels where they were drawn at random; None where none was logged.

    No bound can exceed log(`clouds`), the clouds that are told apart in one step; the dashed line is there.
    """
    found = tracked(lines)
    levels = [name for name in found if "_level_" in name]
    groups = [group for group in ([name for name in found if name not in levels], levels) if group]
    if not groups:
        return None
    figure, axes = style.new_figure(5.0 * len(groups), 3.0, 1, len(groups))
    for one, group in zip(axes, groups, strict=True):
        others = [name for name in group if name != COPIES]
        for name in group:
            step, value = series(lines, name)
            colour = style.BASELINE if name == COPIES else _shade(others.index(name), len(others))
            one.plot(step, smooth(value), color=colour, label=label(name))
        one.axhline(math.log(clouds), color=style.MUTED, linewidth=0.8, linestyle="--")
        one.set_title("By level" if group is levels else "By view")
        one.set_ylabel("at least, nats")
        one.set_xlabel("step")
        one.margins(x=0.01)
        one.legend(fontsize=8, ncols=2)
    return style.render(figure, "information", "Shared information along training: " + ", ".join(map(label, found)))


def label(name: str) -> str:
    """Return what a logged bound is called: `bound_view_2` is view 2."""
    return "two copies" if name == COPIES else name.removeprefix("bound_").replace("_", " ")


def last_values(lines: Lines) -> list[tuple[str, float]]:
    """Return each bound's mean over the last twentieth of the run, in nats."""
    values: Sequence[tuple[str, np.ndarray]] = [(name, series(lines, name)[1]) for name in tracked(lines)]
    return [(label(name), float(value[-max(1, len(value) // 20) :].mean())) for name, value in values]


def _kind(name: str) -> tuple[str, int]:
    """Sort by what is counted, then by number: view 10 comes after view 2."""
    head, _, number = name.rpartition("_")
    return ("z" if "level" in head else "a", int(number) if number.isdigit() else 0)


def _shade(place: int, count: int) -> str:
    """Return a colour that deepens from the first view to the last, as the changes of the views do."""
    share = 0.35 + 0.65 * (place / max(1, count - 1))
    accent = np.array([int(style.ACCENT[i : i + 2], 16) for i in (1, 3, 5)])
    red, green, blue = (round(255 + share * (channel - 255)) for channel in accent.tolist())
    return f"#{red:02x}{green:02x}{blue:02x}"
