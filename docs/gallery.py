"""Draw docs/images/generated.png: the first clouds of every formula, coloured by part, lit where there are normals.

python docs/gallery.py
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.colors import to_rgb

from pointssl.data.cloud import Cloud
from pointssl.data.generated.formulas import FORMULAS
from pointssl.data.open import open_dataset
from pointssl.show.page.draw import camera

COLUMNS = 8
COLOURS = ("#3b6fb6", "#d9822b", "#4b9e6a", "#b6554f", "#7c63ae", "#8a6d4f", "#c9699f", "#6f7378", "#a8a13a")
LIGHT = np.array([-0.35, 0.55, 0.76])
"""From where light falls, seen from the camera: right, up, towards the eye."""


def colours(cloud: Cloud, view: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "n 3"]:
    """Return the colour of each point: its part's, darker where it looks away from the light."""
    paint = np.array([to_rgb(colour) for colour in COLOURS])[cloud.channels["part"][:, 0]]
    if "normal" not in cloud.channels:
        return np.asarray(paint)
    lit = np.clip(cloud.channels["normal"] @ view.T @ LIGHT, 0, 1)
    return np.asarray(paint * (0.45 + 0.55 * lit[:, None]))


def main() -> None:
    """Draw one row for each formula."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    view = camera("y", turn=30, tilt=18)
    kinds = sorted(FORMULAS, reverse=True)
    kinds[1:1] = ["unions:cuts=1:frames=1:heights=1"]
    figure, rows = plt.subplots(len(kinds), COLUMNS, figsize=(2 * COLUMNS, 2.1 * len(kinds)), dpi=72)
    for axes, kind in zip(rows, kinds, strict=True):
        data = open_dataset(f"generated:{kind}:points=6000")
        # Every third fractal is of another class.
        for place, index in zip(axes, range(0, 3 * COLUMNS, 3), strict=True):
            cloud = data[index]
            seen, paint = cloud.points @ view.T, colours(cloud, view)
            if "normal" in cloud.channels:  # what looks away from the eye would shine through
                there = cloud.channels["normal"] @ view[2] > 0
                seen, paint = seen[there], paint[there]
            order = np.argsort(seen[:, 2])
            size = 2.2 if "normal" in cloud.channels else 0.6
            place.scatter(seen[order, 0], seen[order, 1], s=size, c=paint[order], linewidths=0)
            place.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
            place.set_axis_off()
        axes[0].set_title(f"generated:{kind}", loc="left", fontsize=11)
    figure.tight_layout(pad=0.4)
    figure.savefig(Path(__file__).parent / "images" / "generated.png")


if __name__ == "__main__":
    main()
