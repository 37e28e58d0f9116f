"""Two dozen clouds of a data set on one sheet, all seen from the same side, with their axes: which way is up?"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

from pointssl.show.page import style
from pointssl.show.page.draw import camera, draw_points, frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 6
"""Clouds side by side."""

AXES = {"x": "#c2502f", "y": "#3f8f4f", "z": "#3564b8"}
"""Colours of the axes' arrows, red, green, blue as in most viewers."""

_SIDE = 1.6
"""Inches per cloud."""


@style.drawing()
def cloud_sheet(clouds: Sequence[tuple[str, Float32[np.ndarray, "_ 3"]]], *, title: str) -> style.Picture:
    """Draw named clouds side by side with z upwards, each with arrows along its axes and the lengths of its box."""
    if not clouds:
        raise ValueError("clouds must be at least one, got none")
    lines = -(-len(clouds) // ACROSS)
    figure, axes = style.new_figure(_SIDE * ACROSS, (_SIDE + 0.45) * lines + 0.4, lines, ACROSS)
    view = camera("z")
    for one, (name, points) in zip(axes, clouds, strict=False):
        size = np.ptp(points, axis=0)
        unit = (points - points.min(axis=0)) / max(float(size.max()), 1e-30)
        frame(one, np.concatenate([unit, _arrows(unit)]), view)
        draw_points(one, unit, [style.MUTED] * len(unit), view, size=2.0)
        _draw_axes(one, unit, view)
        lengths = " × ".join(f"{length:.3g}" for length in size)
        one.set_title(f"{_short(name)}\n{lengths}", fontsize=7, fontweight="normal", loc="center", parse_math=False)
    for one in axes[len(clouds) :]:
        one.set_axis_off()
    figure.suptitle(title, fontsize=9.5, parse_math=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # names in scripts that the font has not
        return style.render(figure, "clouds", f"{len(clouds)} clouds of {title}, z upwards")


def _arrows(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "4 3"]:
    """Return the foot and the three tips of the arrows: at the lowest corner of the box, a little longer than it."""
    corner = points.min(axis=0) - 0.06
    tips = np.diag(np.maximum(np.ptp(points, axis=0), 0.3) + 0.18)
    arrows: Float[np.ndarray, "4 3"] = corner + np.concatenate([np.zeros((1, 3)), tips])
    return arrows


def _draw_axes(axes: "Axes", points: Float[np.ndarray, "n 3"], view: Float[np.ndarray, "3 3"]) -> None:
    foot, *tips = _arrows(points) @ view[:2].T
    for (name, colour), tip in zip(AXES.items(), tips, strict=True):
        axes.annotate("", xy=tip, xytext=foot, arrowprops={"arrowstyle": "->", "color": colour, "lw": 0.9})
        x, y = tip + 0.06 * (tip - foot)
        axes.text(x, y, name, color=colour, fontsize=7, ha="center", va="center_baseline")


def _short(name: str) -> str:
    """Return the end of a long name, which tells clouds apart."""
    return name if len(name) <= 28 else f"…{name[-27:]}"
