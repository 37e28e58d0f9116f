"""One table of an evaluation for the terminal, and how its numbers are written."""

from rich.table import Table
from rich.text import Text

from pointssl.evaluation.record import Evaluation, Score, gain
from pointssl.formatting import p_value, points
from pointssl.ops.stats import Estimate


def evaluation_table(evaluation: Evaluation) -> Table:
    """Return every protocol with both arms side by side; accuracies in percent."""
    c, test = evaluation.conditions, len(evaluation.test_labels)
    table = Table(
        title=Text(f"{c.data}: {test} test clouds, {len(c.classes)} classes, {c.points} points, {c.split}"),
        caption=Text(caption(evaluation)),
        caption_justify="left",
    )
    for name in ("protocol", "labels", "pre-trained", "untrained", "gain", "p"):
        table.add_column(name, justify="left" if name == "protocol" else "right", no_wrap=True)
    for name in evaluation.protocols():
        ours, baseline = evaluation.score(name, "pretrained"), evaluation.score(name, "untrained")
        paired = gain(ours, baseline, evaluation.test_labels) if ours and baseline else None
        given = [str(s.n_train) for s in (ours, baseline) if s is not None]
        table.add_row(
            name,
            given[0],
            _cell(ours),
            _cell(baseline),
            Text(difference(paired)),  # brackets are no markup
            p_value(paired.p) if paired else "",
        )
    for skipped in evaluation.skipped:
        table.add_row(skipped.protocol, "", "skipped", "", "", "")
    return table


def caption(evaluation: Evaluation) -> str:
    """Say what the numbers of the table are, what was left out and what to beware of."""
    reasons = {s.protocol.split()[0]: s.reason for s in reversed(evaluation.skipped)}  # the first of each kind
    lines = [
        "± half the 95 % t-interval over repetitions (seeds, subsets, episodes); [ ] 95 % interval over test clouds;",
        "p: paired over the test clouds or episodes. Accuracies are of the last epoch.",
        f"Pre-trained on {evaluation.pretraining}.",
        *(f"{kind} skipped: {reason}." for kind, reason in reasons.items()),
        *(f"Note: {note}." for note in evaluation.notes),
    ]
    for s in evaluation.scores:
        best = [r.best_accuracy for r in s.repeats if r.best_accuracy is not None]
        if best:
            mean = sum(best) / len(best)
            lines.append(f"{s.protocol}, {s.arm}: best epoch on the test clouds {points(mean)} (optimistic).")
    return "\n".join(lines)


def accuracy(estimate: Estimate, test_interval: Estimate | None) -> str:
    """Return the mean in percent with both of its intervals."""
    text = points(estimate.mean)
    if estimate.high is not None:
        text += f" ±{100 * (estimate.high - estimate.mean):.1f}"
    if test_interval is not None and test_interval.low is not None and test_interval.high is not None:
        text += f" [{points(test_interval.low)}, {points(test_interval.high)}]"
    return text


def difference(paired: Estimate | None) -> str:
    """Return a difference in points with its interval."""
    if paired is None:
        return ""
    text = f"{points(paired.mean, signed=True)}"
    if paired.low is not None and paired.high is not None:
        text += f" [{points(paired.low, signed=True)}, {points(paired.high, signed=True)}]"
    return text


def _cell(score: Score | None) -> Text:
    return Text("" if score is None else accuracy(score.accuracy, score.test_interval))
