"""Training curves from the lines that a run has logged."""

from collections.abc import Mapping, Sequence

import numpy as np

from pointssl.methods.base import Figure
from pointssl.show.page import style

Lines = Sequence[Mapping[str, float | int | None]]
"""What `metrics.jsonl` holds: one mapping per logged step; a figure that was not finite is None."""


LOSS = Figure("loss", "Loss", "see the method's page")
RANK = Figure("effective_rank", "Effective rank of pooled features", "directions")
"""What the engine logs of every run; the rest belongs to the methods."""


@style.drawing()
def curves_picture(lines: Lines, figures: Sequence[Figure] = ()) -> style.Picture | None:
    """Draw each of a method's figures that was logged at least twice, two in a row; None where there are none.

    The loss comes first and the spread of the features last.
    """
    figures = (LOSS, *figures, RANK)
    found = [(one, *series(lines, one.key)) for one in figures]
    found = [(one, step, value) for one, step, value in found if len(step) > 1]
    # A loss that is the likelihood itself is drawn once, under the name with a unit.
    if {"loss", "nll"} <= {one.key for one, _, _ in found}:
        found = [entry for entry in found if entry[0].key != "loss"]
    if not found:
        return None
    columns = min(2, len(found))
    rows = -(-len(found) // columns)
    figure, axes = style.new_figure(5.0 * columns, 2.2 * rows, rows, columns)
    for one, (kind, step, value) in zip(axes, found, strict=False):
        one.plot(step, value, color=style.ACCENT, linewidth=0.8, alpha=0.35)
        one.plot(step, smooth(value), color=style.ACCENT)
        one.set_title(kind.title)
        one.set_ylabel(kind.unit)
        one.set_xlabel("step")
        one.margins(x=0.01)
        if kind.logarithmic and value.min() > 0:
            one.set_yscale("log")
    for spare in axes[len(found) :]:
        spare.set_axis_off()
    return style.render(figure, "curves", "Training curves: " + ", ".join(one.title.lower() for one, _, _ in found))


def smooth(values: np.ndarray, share: float = 0.05) -> np.ndarray:
    """Return the mean over a centred window of this share of the curve, smaller at both ends."""
    half = int(share * len(values) / 2)
    total = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    reach = np.minimum(half, np.minimum(place, len(values) - 1 - place))
    mean: np.ndarray = (total[place + reach + 1] - total[place - reach]) / (2 * reach + 1)
    return mean


def series(lines: Lines, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values of one figure; lines without it, or where it was not finite, are passed over."""
    pairs = [(line["step"], line[key]) for line in lines if line.get(key) is not None and line.get("step") is not None]
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]
