"""What the features are worth: every measured task of the run beside the same network untrained, table and picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from pointssl.formatting import percent, points
from pointssl.ops.stats import Estimate
from pointssl.show.page import style
from pointssl.show.page.estimates import p_cell, points_cell, share_cell
from pointssl.show.page.page import Cell, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One task, measured with and without pre-training."""

    protocol: str
    """Its name in the record."""
    task: str
    """Its name for readers, such as `Linear SVM, fixed C`."""
    data: str
    """The data set it was measured on."""
    trained: Estimate
    """Accuracy between 0 and 1."""
    untrained: Estimate | None = None
    difference: Estimate | None = None
    """Pre-trained minus untrained, paired over what both saw."""
    detail: str = ""
    """How it was measured, in words: rule, repetitions, what the interval is over."""


def scores_table(scores: Sequence[Comparison]) -> str:
    """Return the table in HTML: accuracies in percent with their intervals, differences in percentage points."""
    head = [
        Cell("Task"),
        Cell("Pre-trained", number=True),
        Cell("Untrained", number=True),
        Cell("Difference", number=True),
        Cell("p", number=True),
    ]
    rows = [
        [
            Cell(one.task, small=one.data),
            share_cell(one.trained, strong=True),
            share_cell(one.untrained),
            points_cell(one.difference),
            p_cell(None if one.difference is None else one.difference.p),
        ]
        for one in scores
    ]
    return table(head, rows)


@style.drawing()
def scores_picture(scores: Sequence[Comparison]) -> style.Picture:
    """Draw one line per task: the pre-trained accuracy, the untrained one, and their intervals."""
    figure, [axes] = style.new_figure(7.0, 0.8 + 0.46 * len(scores))
    for row, one in enumerate(scores):
        arms = ((one.untrained, style.BASELINE, "none"), (one.trained, style.ACCENT, style.ACCENT))
        for estimate, colour, face in arms:
            if estimate is None:
                continue
            if estimate.low is not None and estimate.high is not None:
                axes.plot(
                    [100 * estimate.low, 100 * estimate.high], [row, row], color=colour, linewidth=2.2, alpha=0.45
                )
            axes.scatter([100 * estimate.mean], [row], s=46, color=colour, facecolors=face, linewidths=1.6, zorder=3)
        axes.annotate(
            percent(one.trained.mean, 1),
            (100 * one.trained.mean, row),
            (0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    several = len({one.data for one in scores}) > 1
    axes.set_yticks(range(len(scores)), [f"{one.task}, {one.data}" if several else one.task for one in scores])
    axes.set_ylim(len(scores) - 0.5, -0.7)
    axes.set_xlabel("accuracy on the test clouds, %")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.scatter([], [], color=style.ACCENT, s=46, label="pre-trained")
    axes.scatter([], [], color=style.BASELINE, facecolors="none", linewidths=1.6, s=46, label="untrained")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1.6, handletextpad=0.3)
    return style.render(figure, "scores", "Accuracy of every task, pre-trained and untrained, with intervals")


def headline(score: Comparison) -> str:
    """Say in one sentence what pre-training did for one task; claims a difference only where its interval allows it."""
    found = f"{score.task} on {score.data}: {percent(score.trained.mean, 1)} of the test clouds right with pre-training"
    if score.untrained is None:
        return found + "; the untrained network was not measured."
    found += f", {percent(score.untrained.mean, 1)} with the same network untrained"
    gain = score.difference
    if gain is None or gain.low is None or gain.high is None:
        return found + "."
    bounds = f"95 % interval {points(gain.low, signed=True)} to {points(gain.high, signed=True)}"
    if gain.sign == 0:
        return f"{found}; the difference may be chance ({bounds} points)."
    return f"{found}: {points(abs(gain.mean))} points {'better' if gain.sign > 0 else 'worse'} ({bounds})."
