"""The evaluations kept beside a run, as lines of a table: pre-trained beside untrained, one per protocol."""

from collections.abc import Sequence
from pathlib import Path

from pointssl.errors import RunError
from pointssl.evaluation import record
from pointssl.evaluation.protocols import PROTOCOLS, title
from pointssl.evaluation.record import Evaluation
from pointssl.evaluation.robustness import CLEAN, NAME
from pointssl.show.run.scores import Comparison


def read_comparisons(files: Sequence[Path], weights: str) -> tuple[list[Comparison], list[str]]:
    """Return the lines of all kept evaluations of these weights, and what a reader has to know besides, in sentences.

    `weights` is the digest of the encoder that the report is about: figures of other weights never stand beside it.
    """
    lines: list[Comparison] = []
    notes: list[str] = []
    for path in files:
        try:
            found = record.load(path)
        except RunError as error:
            notes.append(f"{error}.")
            continue
        if found.weights == weights:
            lines += comparisons(found)
            notes += [f"{found.conditions.data}: {one}." for one in found.notes]
            notes += [f"{found.conditions.data}, {one.protocol} was left out: {one.reason}." for one in found.skipped]
    order = list(PROTOCOLS)  # the headline first
    lines.sort(key=lambda one: order.index(one.protocol) if one.protocol in order else len(order))
    return lines, notes


def comparisons(found: Evaluation) -> list[Comparison]:
    """Return one line per protocol that the pre-trained encoder was measured by, in the order they were run."""
    told = [name for name in found.protocols() if not name.startswith(f"{NAME} ") or name == f"{NAME} {CLEAN}"]
    return [one for name in told if (one := _comparison(found, name)) is not None]  # damage is drawn as curves


def _comparison(found: Evaluation, protocol: str) -> Comparison | None:
    trained, untrained = found.score(protocol, "pretrained"), found.score(protocol, "untrained")
    if trained is None:
        return None
    over_clouds = "the test clouds (Wilson)" if trained.test_interval else f"{trained.over} (t)"
    gain = None if untrained is None else record.gain(trained, untrained, found.test_labels)
    return Comparison(
        protocol=protocol.partition(" ")[0],
        task=title(protocol),
        data=found.conditions.data,
        trained=trained.test_interval or trained.accuracy,
        untrained=None if untrained is None else untrained.test_interval or untrained.accuracy,
        difference=gain,
        detail=f"{trained.rule}; {trained.n_train} training and {trained.n_test} test clouds, mean "
        f"of {len(trained.repeats)} {trained.over}, interval over {over_clouds}"
        + (f", p by {gain.method}" if gain else ""),
    )
