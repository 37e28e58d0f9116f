"""What the features are worth: every measured task of the run beside the same network untrained, table and picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from pointssl.ops.stats import Estimate
from pointssl.show.page import style
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
    rows = []
    for one in scores:
        gain = one.difference
        rows.append(
            [
                Cell(one.task, small=one.data),
                Cell(
                    style.percent(one.trained.mean, 1),
                    small=interval(one.trained.low, one.trained.high),
                    number=True,
                    strong=True,
                ),
                Cell("–", number=True)
                if one.untrained is None
                else Cell(
                    style.percent(one.untrained.mean, 1),
                    small=interval(one.untrained.low, one.untrained.high),
                    number=True,
                ),
                Cell("–", number=True)
                if gain is None
                else Cell(_signed(gain.mean), small=interval(gain.low, gain.high), number=True),
                Cell("–" if gain is None or gain.p is None else p_value(gain.p), number=True),
            ]
        )
    return table(head, rows)


@style.drawing()
def scores_picture(scores: Sequence[Comparison]) -> style.Picture:
    """Draw one line per task: the pre-trained accuracy, the untrained one, and their intervals."""
    figure, [axes] = style.new_figure(7.0, 0.8 + 0.46 * len(scores))
    for row, one in enumerate(scores):
        for estimate, colour, face in ((one.untrained, style.TWIN, "none"), (one.trained, style.ACCENT, style.ACCENT)):
            if estimate is None:
                continue
            if estimate.low is not None and estimate.high is not None:
                axes.plot(
                    [100 * estimate.low, 100 * estimate.high], [row, row], color=colour, linewidth=2.2, alpha=0.45
                )
            axes.scatter([100 * estimate.mean], [row], s=46, color=colour, facecolors=face, linewidths=1.6, zorder=3)
        axes.annotate(
            style.percent(one.trained.mean, 1),
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
    axes.scatter([], [], color=style.TWIN, facecolors="none", linewidths=1.6, s=46, label="untrained")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, columnspacing=1.6, handletextpad=0.3)
    return style.render(figure, "scores", "Accuracy of every task, pre-trained and untrained, with intervals")


def headline(score: Comparison) -> str:
    """Say in one sentence what pre-training did for one task; claims a difference only where its interval allows it."""
    right = style.percent(score.trained.mean, 1)
    said = f"{score.task} on {score.data}: {right} of the test clouds right with pre-training"
    if score.untrained is None:
        return said + "; the untrained network was not measured."
    said += f", {style.percent(score.untrained.mean, 1)} with the same network untrained"
    gain = score.difference
    if gain is None or gain.low is None or gain.high is None:
        return said + "."
    points = f"{abs(100 * gain.mean):.1f} points"
    bounds = f"95 % interval {_signed(gain.low)} to {_signed(gain.high)}"
    if gain.low > 0:
        return f"{said}: {points} better ({bounds})."
    if gain.high < 0:
        return f"{said}: {points} worse ({bounds})."
    return f"{said}; the difference may be chance ({bounds} points)."


def interval(low: float | None, high: float | None) -> str:
    """Return the bounds in percent, or nothing where there is no interval."""
    return "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def p_value(p: float) -> str:
    """Return a p value with as many digits as it deserves."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(share: float) -> str:
    """Return a share in percent with a true minus sign, as long as a plus."""
    return f"{100 * share:.1f}".replace("-", "−")


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")
