"""Still pictures of what a method sees in a few shapes: parts, ellipsoids, iso-surface, distances. One row each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pointssl.formatting import percent
from pointssl.show.page import draw, style
from pointssl.show.run import features
from pointssl.show.run.mixture import ellipsoids
from pointssl.show.scene import INSIDE, MixtureView, ShapeView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLAY = "#aeb9c6"
_SIDE = 1.75
"""Inches per shape."""


@style.drawing()
def partition_picture(shapes: Sequence[ShapeView], *, up: str = "z") -> style.Picture:
    """Colour every point by its part."""
    figure, axes, view = _row(shapes, up)
    for one, (shape, mix) in zip(axes, _with_mixture(shapes), strict=True):
        colours = style.part_colours(len(mix.weight))
        draw.frame(one, shape.points, view, shape.name)
        draw.draw_points(one, shape.points, [colours[part] for part in mix.part], view)
    return style.render(figure, "partition", f"{len(shapes)} shapes, their points coloured by learned part")


@style.drawing()
def ellipsoid_picture(shapes: Sequence[ShapeView], *, up: str = "z") -> style.Picture:
    """Draw the 1-sigma ellipsoid of every component that is in use."""
    figure, axes, view = _row(shapes, up)
    for one, (shape, mix) in zip(axes, _with_mixture(shapes), strict=True):
        colours, drawn = style.part_colours(len(mix.weight)), mix.drawn()
        draw.frame(one, shape.points, view, shape.name)
        draw.draw_meshes(one, ellipsoids(mix.mean[drawn], mix.cov[drawn]), [colours[j] for j in drawn], view)
    return style.render(figure, "ellipsoids", f"1-sigma ellipsoids of the mixtures of {len(shapes)} shapes")


@style.drawing()
def surface_picture(shapes: Sequence[ShapeView], *, up: str = "z") -> style.Picture:
    """Draw the surface on which the mixture has constant density."""
    figure, axes, view = _row(shapes, up)
    for one, (shape, mix) in zip(axes, _with_mixture(shapes), strict=True):
        draw.frame(one, np.concatenate([shape.points, mix.surface.vertices]), view, shape.name)
        draw.draw_meshes(one, [mix.surface], [_CLAY], view)
    return style.render(
        figure, "isosurface", f"Surfaces g = c around {percent(INSIDE)} of the points of {len(shapes)} shapes"
    )


@style.drawing()
def distance_picture(shapes: Sequence[ShapeView], picked: Sequence[int], *, up: str = "z") -> style.Picture:
    """Colour every point by its distance to a chosen one: above in space, below in feature space."""
    figure, axes = style.new_figure(_SIDE * len(shapes), 2 * _SIDE + 0.75, 2, len(shapes))
    view = draw.camera(up)
    for place, (shape, index) in enumerate(zip(shapes, picked, strict=True)):
        in_space = features.distances_from(shape.points, index)
        in_features = features.distances_from(shape.features, index)
        for row, values in enumerate((in_space, in_features)):
            one = axes[row * len(shapes) + place]
            draw.frame(one, shape.points, view, shape.name if row == 0 else "")
            draw.draw_points(one, shape.points, distance_colours(values), view)
            draw.mark_point(one, shape.points[index], view, style.INK)
    for row, label in enumerate(("in space", "in feature space")):
        axes[row * len(shapes)].text(
            -0.04,
            0.5,
            label,
            transform=axes[row * len(shapes)].transAxes,
            rotation=90,
            va="center",
            ha="right",
            color=style.MUTED,
        )
    _distance_bar(figure, axes)
    return style.render(
        figure, "distances", "Points coloured by distance to a marked point, in space and in feature space"
    )


def distance_colours(values: Float[np.ndarray, " n"]) -> list[str]:
    """Return the colour of every distance, from 0 to the largest."""
    ramp = style.near_to_far()
    place = np.minimum(len(ramp) - 1, (len(ramp) * values / max(float(values.max()), 1e-12)).astype(int))
    return [ramp[i] for i in place]


def _row(shapes: Sequence[ShapeView], up: str) -> "tuple[Figure, list[Axes], np.ndarray]":
    figure, axes = style.new_figure(_SIDE * len(shapes), _SIDE + 0.25, 1, len(shapes))
    return figure, axes, draw.camera(up)


def _with_mixture(shapes: Sequence[ShapeView]) -> list[tuple[ShapeView, MixtureView]]:
    found = [(one, one.mixture) for one in shapes if one.mixture is not None]
    if len(found) < len(shapes):
        raise ValueError("shapes must all come with a mixture for this picture")
    return found


def _distance_bar(figure: "Figure", axes: "list[Axes]") -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    bar = figure.colorbar(
        ScalarMappable(cmap=ListedColormap(list(style.near_to_far()))),
        ax=axes,
        location="bottom",
        shrink=0.3,
        aspect=40,
        pad=0.02,
    )
    bar.set_ticks([0, 1], labels=["the marked point", "the farthest point"])
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
