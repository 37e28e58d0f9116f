"""Maps of pooled features, coloured by class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from pointssl.show import style
from pointssl.show.embedding import FlatMap

NAMED = 12
"""Classes that get a colour of their own; more could not be told apart."""


def map_picture(
    flat: FlatMap, labels: Int[np.ndarray, " m"] | None, classes: Sequence[str], *, name: str
) -> style.Picture:
    """Draw one dot per cloud; the largest `NAMED` classes in colour, all others in grey."""
    figure, [axes] = style.new_figure(7.6, 4.7)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    size = float(np.clip(5200 / len(flat.places), 7, 34))
    shown: list[int] = []
    if labels is not None:
        counts = np.bincount(labels, minlength=len(classes))
        shown = [int(one) for one in np.argsort(-counts, kind="stable")[:NAMED] if counts[one]]
    rest = np.ones(len(flat.places), dtype=bool) if labels is None else ~np.isin(labels, shown)
    colours = style.part_colours(NAMED)
    if rest.any():
        label = "other classes" if shown else "clouds"
        axes.scatter(
            flat.places[rest, 0],
            flat.places[rest, 1],
            s=0.7 * size,
            color=style.TWIN,
            alpha=0.35,
            linewidths=0,
            label=label,
        )
    for place, one in enumerate(sorted(shown, key=lambda k: classes[k])):
        dots = flat.places[labels == one]
        axes.scatter(dots[:, 0], dots[:, 1], s=size, color=colours[place], linewidths=0, alpha=0.9, label=classes[one])
    if shown:
        # Coloured dots first, grey last, however they were painted.
        handles, names = axes.get_legend_handles_labels()
        order = sorted(range(len(names)), key=lambda i: names[i] == "other classes")
        with style.drawing():
            figure.legend(
                [handles[i] for i in order],
                [names[i] for i in order],
                loc="outside right center",
                fontsize=9,
                markerscale=1.4,
            )
    return style.render(figure, name, f"{flat.title} map of {len(flat.places)} clouds, coloured by class")


def separation(pooled: Float[np.ndarray, "m e"], labels: Int[np.ndarray, " m"]) -> float:
    """Return the share of clouds whose nearest other cloud, in all dimensions, has the same class."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=2).fit(pooled).kneighbors(pooled, return_distance=False)
    # With identical features a cloud need not come first in its own list.
    other = np.where(near[:, 0] == np.arange(len(pooled)), near[:, 1], near[:, 0])
    return float((labels[other] == labels).mean())
