"""Curves of a probe on damaged clouds: how accuracy falls with the strength of each kind of damage, both arms."""

from collections.abc import Sequence
from pathlib import Path

from pointssl.errors import RunError
from pointssl.evaluation import record
from pointssl.evaluation.corruptions import STRENGTHS
from pointssl.evaluation.record import Arm, Evaluation
from pointssl.evaluation.robustness import CLEAN, NAME
from pointssl.files import portable_name
from pointssl.show.page import style
from pointssl.show.page.page import Panel

ARMS: dict[Arm, str] = {"pretrained": style.ACCENT, "untrained": style.BASELINE}


def robustness(kept: Sequence[Path], weights: str) -> Panel | None:
    """Return the curves of these weights on every data set that has them; None where none has."""
    pictures = []
    for path in kept:
        try:
            found = record.load(path)
        except RunError:
            continue  # what is damaged is told with the scores
        if found.weights == weights and found.score(f"{NAME} {CLEAN}", "pretrained") is not None:
            pictures.append(curves(found))
    if not pictures:
        return None
    return Panel(
        title="Damaged clouds",
        sentence="A linear probe that learned from clean clouds, on damaged ones: pre-trained in colour, the same "
        "network untrained in grey; the left end of every curve is the clean test clouds.",
        pictures=pictures,
    )


@style.drawing()
def curves(found: Evaluation) -> style.Picture:
    """Draw accuracy over strength, one small figure for each kind of damage."""
    figure, axes = style.new_figure(10.0, 4.6, 2, 4)
    for one, (kind, sizes) in zip(axes, STRENGTHS.items(), strict=False):
        for arm, colour in ARMS.items():
            names = [CLEAN, *(f"{kind} {strength}" for strength in range(1, len(sizes) + 1))]
            scores = [found.score(f"{NAME} {name}", arm) for name in names]
            pairs = [(i, 100 * score.accuracy.mean) for i, score in enumerate(scores) if score is not None]
            one.plot(*zip(*pairs, strict=True), color=colour, marker="o", markersize=2.5)
        one.set_title(kind)
        one.set_xticks(range(len(sizes) + 1), ["0", *(f"{size:g}" for size in sizes)], fontsize=7)
        one.set_ylim(0, 100)
    axes[0].set_ylabel("accuracy, %")
    for spare in axes[len(STRENGTHS) :]:
        spare.set_axis_off()
    data = found.conditions.data
    return style.render(figure, f"robustness-{portable_name(data)}", f"Accuracy on damaged test clouds of {data}")
