"""How every picture looks: colours, type, and files written whole as PNG and SVG.

Figures are made without pyplot: no display, no global state. Ink colours are placeholders in the SVG, so that a page
can replace them by its own and the same picture reads on light and on dark paper.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from pointssl import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, RULE, ACCENT, BASELINE = "#1d2329", "#69727c", "#d5dae0", "#c2502f", "#8a939d"
"""Text; secondary text; grid lines; what this run did; what the random-init baseline did."""

CSS_NAMES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    ACCENT: "var(--accent)",
    BASELINE: "var(--baseline)",
}

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: searchable, small, in the reader's own font
    "lines.linewidth": 1.6,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the house style to all that is drawn inside; as a decorator, to all that a function draws."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """Return an empty figure of the given inches and its axes, row by row; to be called while `drawing`.

    A page shows ten inches across its whole width, where text of the house size then has the size of its small print.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [one for row in axes for one in row]


@cache
def part_colours(count: int) -> tuple[str, ...]:
    """Return `count` hex colours that read on white and on black; neighbours in the list differ most.

    Hues step by the golden angle at three levels of lightness in OKLCH (B. Ottosson, "A perceptual color space for
    image processing", 2020), so that any first few are told apart.
    """
    turn = np.deg2rad(28.0 + 137.508 * np.arange(count))
    lightness = np.resize([0.66, 0.55, 0.76], count)
    chroma = np.resize([0.15, 0.14, 0.12], count)
    rgb = _from_oklch(lightness, chroma, turn)
    return tuple("#" + "".join(f"{round(255 * c):02x}" for c in one) for one in rgb)


@cache
def near_to_far() -> tuple[str, ...]:
    """Return 64 hex colours for a distance, from 0 to the largest; lightness falls steadily, for every kind of sight.

    It is matplotlib's plasma without its ends, which would vanish on white or on black paper.
    """
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    return tuple(to_hex(one) for one in mpl.colormaps["plasma"](np.linspace(0.88, 0.08, 64)))


def _from_oklch(
    lightness: Float[np.ndarray, " m"], chroma: Float[np.ndarray, " m"], hue: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m 3"]:
    """Return sRGB in [0, 1], clipped to what a screen can show; hue in radians."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=-1,
    ).clip(0, 1)
    rgb: Float[np.ndarray, "m 3"] = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing in the two forms that people ask for."""

    name: str
    """File name without its ending."""
    alt: str
    """What is to be seen, for those who cannot see it."""
    svg: str
    png: bytes
    width: float
    """Natural width in points, 72 to the inch."""

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write `name.svg` and `name.png` into `folder`, each atomically; return both paths."""
        vector, raster = folder / f"{self.name}.svg", folder / f"{self.name}.png"
        files.write_text(vector, self.svg)
        with files.atomic_file(raster) as partial:
            partial.write_bytes(self.png)
        return vector, raster


def render(figure: "Figure", name: str, alt: str, *, dpi: int = 160) -> Picture:
    """Draw `figure` as SVG (transparent, text as text) and PNG (on white); the same figure gives the same bytes."""
    import matplotlib as mpl

    # The salt makes the ids inside differ between pictures, which share one page, and agree between runs.
    with mpl.rc_context({"svg.hashsalt": name}):
        vector, raster = io.StringIO(), io.BytesIO()
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # both forms have the same layout, which is half of the work
        figure.savefig(vector, format="svg", dpi=dpi, metadata={"Date": None, "Creator": None})
        figure.savefig(raster, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    text = vector.getvalue()
    return Picture(
        name=name, alt=alt, svg=text[text.index("<svg") :], png=raster.getvalue(), width=72 * figure.get_figwidth()
    )


def themed(svg: str) -> str:
    """Return `svg` with its ink colours replaced by the page's CSS variables, for use inside a page."""
    for colour, variable in CSS_NAMES.items():
        svg = svg.replace(colour, variable)
    return svg
