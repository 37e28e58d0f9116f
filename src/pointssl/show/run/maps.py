"""Maps of pooled features, coloured by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from pointssl.show.page import style
from pointssl.show.run import embedding
from pointssl.show.run.embedding import FlatMap

NAMED = 12
"""Classes that get a colour of their own; more could not be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Maps of the same clouds by one or more encoders; every map comes with the heading of its encoder."""

    data: str
    classes: Sequence[str]
    labels: Int[np.ndarray, " m"] | None
    tsne: Sequence[tuple[str, FlatMap]]
    """Empty where there are too few clouds."""
    pca: Sequence[tuple[str, FlatMap]]
    nearest: Sequence[tuple[str, float]]
    """Share of clouds whose nearest other one has the same class; empty without classes."""

    @property
    def count(self) -> int:
        """Clouds on each map."""
        return len(self.pca[0][1].places)


def make_maps(
    pooled: Sequence[tuple[str, Float[np.ndarray, "m e"]]],
    labels: Int[np.ndarray, " m"] | None,
    classes: Sequence[str],
    *,
    data: str,
    seed: int = 0,
) -> Maps:
    """Compute all maps of the same clouds by each encoder; `pooled` holds (heading, features)."""
    few = len(pooled[0][1]) < embedding.FEWEST
    return Maps(
        data=data,
        classes=classes,
        labels=labels,
        tsne=[] if few else [(heading, embedding.tsne_map(rows, seed=seed)) for heading, rows in pooled],
        pca=[(heading, embedding.pca_map(rows)) for heading, rows in pooled],
        nearest=[] if few or labels is None else [(heading, separation(rows, labels)) for heading, rows in pooled],
    )


@style.drawing()
def map_picture(
    maps: Sequence[tuple[str, FlatMap]], labels: Int[np.ndarray, " m"] | None, classes: Sequence[str], *, name: str
) -> style.Picture:
    """Draw maps of the same clouds side by side, each under its heading; one dot per cloud.

    The `NAMED` largest classes are in colour, all others in grey.
    """
    figure, axes = style.new_figure(4.3 * len(maps) + 1.5, 4.2, 1, len(maps))
    count = len(maps[0][1].places)
    shown = largest_classes(labels, len(classes))
    rest = np.ones(count, dtype=bool) if labels is None else ~np.isin(labels, shown)
    colours = style.part_colours(NAMED)
    size = float(np.clip(5200 / count, 7, 34))
    for one, (heading, flat) in zip(axes, maps, strict=True):
        one.set(xticks=[], yticks=[], title=f"{flat.title}, {heading.lower()}")
        one.grid(visible=False)
        one.spines[:].set_visible(True)
        x, y = flat.places.T
        for place, label in enumerate(sorted(shown, key=lambda k: classes[k])):
            dots = labels == label
            one.scatter(x[dots], y[dots], s=size, color=colours[place], linewidths=0, alpha=0.9, label=classes[label])
        if rest.any():
            others = "other classes" if shown else None
            one.scatter(
                x[rest], y[rest], s=0.7 * size, color=style.BASELINE, alpha=0.35, linewidths=0, label=others, zorder=0.5
            )
    if shown:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9, markerscale=1.4)
    return style.render(figure, name, f"{maps[0][1].title} map of {count} clouds, coloured by class")


def largest_classes(labels: Int[np.ndarray, " m"] | None, classes: int) -> list[int]:
    """Return up to `NAMED` classes with the most clouds, the largest first."""
    if labels is None:
        return []
    counts = np.bincount(labels, minlength=classes)
    return [int(one) for one in np.argsort(-counts, kind="stable")[:NAMED] if counts[one]]


def separation(pooled: Float[np.ndarray, "m e"], labels: Int[np.ndarray, " m"]) -> float:
    """Return the share of clouds whose nearest other cloud, in all dimensions, has the same class."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=2).fit(pooled).kneighbors(pooled, return_distance=False)
    # With identical features a cloud need not come first in its own list.
    other = np.where(near[:, 0] == np.arange(len(pooled)), near[:, 1], near[:, 0])
    return float((labels[other] == labels).mean())
