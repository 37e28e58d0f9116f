"""Points and meshes seen from one side, painted on flat axes without box or ticks.

A parallel projection of our own keeps proportions right and does without 3D axes, which are slow and sort by triangle.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pointssl.show.page.raster import raster
from pointssl.show.scene import Mesh

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def camera(up: str = "z", turn: float = -52.0, tilt: float = 24.0) -> Float[np.ndarray, "3 3"]:
    """Return the rotation whose rows are right, up and towards the eye; angles in degrees."""
    place = "xyz".index(up)
    first, second = {0: (1, 2), 1: (2, 0), 2: (0, 1)}[place]
    azimuth, height = np.deg2rad(turn), np.deg2rad(tilt)
    eye = np.zeros(3)
    eye[[first, second, place]] = np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)
    top = np.zeros(3)
    top[place] = 1.0
    right = np.cross(top, eye)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(eye, right), eye])


def frame(axes: "Axes", points: Float[np.ndarray, "n 3"], view: Float[np.ndarray, "3 3"], title: str = "") -> None:
    """Give `axes` equal scales and room for `points`; hide everything that is not the shape."""
    flat = points @ view[:2].T
    middle, reach = (flat.min(axis=0) + flat.max(axis=0)) / 2, 0.54 * np.ptp(flat, axis=0).max() + 1e-6
    axes.set(xlim=(middle[0] - reach, middle[0] + reach), ylim=(middle[1] - reach, middle[1] + reach), aspect="equal")
    axes.set_axis_off()
    if title:
        axes.set_title(title, loc="center", fontsize=9.5, fontweight="normal")


def draw_points(
    axes: "Axes",
    points: Float[np.ndarray, "n 3"],
    colours: Sequence[str],
    view: Float[np.ndarray, "3 3"],
    *,
    size: float = 5.0,
) -> None:
    """Paint every point as a disc of `size` square points, the farther ones a little smaller."""
    seen = points @ view.T
    order = np.argsort(seen[:, 2])
    depth = (seen[order, 2] - seen[:, 2].min()) / max(float(np.ptp(seen[:, 2])), 1e-9)
    paint = np.asarray(colours)[order]
    axes.scatter(seen[order, 0], seen[order, 1], s=size * (0.6 + 0.6 * depth), c=paint, linewidths=0, rasterized=True)


def mark_point(axes: "Axes", point: Float[np.ndarray, "3"], view: Float[np.ndarray, "3 3"], ink: str) -> None:
    """Ring the chosen point."""
    x, y = point @ view[:2].T
    axes.scatter([x], [y], s=70, facecolors="none", edgecolors=ink, linewidths=1.4, zorder=5)


def draw_meshes(
    axes: "Axes",
    meshes: Sequence[Mesh],
    colours: Sequence[str],
    view: Float[np.ndarray, "3 3"],
    *,
    pixels: int = 240,
) -> None:
    """Paint closed meshes as a lit picture of `pixels` a side; call `frame` first, which sets what is in view."""
    from matplotlib.colors import to_rgb

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    paint = np.array([to_rgb(colour) for colour in colours]).reshape(-1, 3)
    image = raster(meshes, paint, view, np.array([left, bottom]), np.array([right, top]), pixels)
    axes.imshow(image, extent=(left, right, bottom, top), origin="lower", interpolation="bilinear")
