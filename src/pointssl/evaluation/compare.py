"""Several runs on the same test clouds: who is better, and is it more than chance?

Runs whose settings differ by the seed alone are one group. Two groups of at least two runs are compared over runs and
test clouds (`ops/evidence.py`): their difference is one of two recipes. A single run stands for no recipe; what is said
of it is over the test clouds, and of these networks alone. All comparisons of a protocol are corrected together.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from rich.table import Table
from rich.text import Text

from pointssl import files
from pointssl.data.open import Data
from pointssl.errors import RunError, SettingError
from pointssl.evaluation import record
from pointssl.evaluation.protocols import DEFAULT, Protocol, chosen
from pointssl.evaluation.record import Evaluation, Score
from pointssl.evaluation.suite import evaluate
from pointssl.evaluation.table import accuracy, difference
from pointssl.formatting import p_value, points
from pointssl.ops import stats
from pointssl.ops.evidence import ALONE, difference_of_runs
from pointssl.ops.stats import Estimate
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group of runs under one protocol."""

    group: str
    runs: tuple[str, ...]
    protocol: str
    accuracy: Estimate
    """Over the runs of the group, each with its mean over evaluation seeds; a single run has no interval."""
    test_interval: Estimate | None
    """95 % Wilson interval of the mean over the test clouds."""
    untrained: float | None
    """Mean accuracy of the same networks untrained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two groups under one protocol."""

    protocol: str
    first: str
    second: str
    difference: Estimate
    """First minus second; its `method` says what the interval covers."""
    p_holm: float
    """p corrected for all pairs of this protocol."""

    @property
    def of_recipes(self) -> bool:
        """Whether it speaks of the two recipes, and not of these networks alone."""
        return self.difference.n > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All groups and all pairs of groups on one data set."""

    data: str
    n_test: int
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]


def compare(
    runs: Sequence[Path | str],
    data: Data,
    *,
    protocols: Sequence[str | Protocol] = DEFAULT,
    seeds: Sequence[int] = (0, 1, 2),
    points: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    bf16: bool = False,
    finetune: PretrainConfig | str = "finetune",
    out: Path | None = None,
) -> Comparison:
    """Evaluate every run where that is not done yet, compare all of them, and write JSON to `out` where given.

    The settings are those of `evaluate`. Raises `SettingError` for fewer than two different runs.
    """
    names = [str(run) for run in runs]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise SettingError(f"compare needs at least two different runs, got {', '.join(names) or 'none'}")
    found = [
        evaluate(
            run,
            data,
            protocols=protocols,
            seeds=seeds,
            points=points,
            batch_size=batch_size,
            device=device,
            bf16=bf16,
            finetune=finetune,
            reuse=True,
        )
        for run in runs
    ]
    result = compare_evaluations(found, groups_of(runs), protocols=protocols)
    if out is not None:
        import cattrs

        files.write_json(out, cattrs.Converter().unstructure(result))
    return result


def groups_of(runs: Sequence[Path | str]) -> list[str]:
    """Return the group of every run: the names of all runs whose settings are equal apart from the seed, in short."""
    keys = [json.dumps(to_json(replace(Run.open(run).config, seed=0)), sort_keys=True) for run in runs]
    members: dict[str, list[str]] = {}
    for key, run in zip(keys, runs, strict=True):
        members.setdefault(key, []).append(Path(run).name)
    return [_joined(members[key]) for key in keys]


def compare_evaluations(
    evaluations: Sequence[Evaluation], groups: Sequence[str], *, protocols: Sequence[str | Protocol] = ()
) -> Comparison:
    """Compare finished evaluations; `groups` names the group of each.

    Raises `RunError` where they are not of the same clouds under the same settings.
    """
    first = evaluations[0]
    for other in evaluations[1:]:
        if other.conditions != first.conditions:
            raise RunError(f"{first.run} and {other.run} were not evaluated on the same clouds with the same settings")
    asked = {one.name for one in chosen(protocols)} if protocols else ()
    rows, pairs = [], []
    for protocol in first.protocols():
        if asked and protocol.split()[0] not in asked:
            continue
        together: dict[str, list[Evaluation]] = {}
        for name, evaluation in zip(groups, evaluations, strict=True):
            if evaluation.score(protocol, "pretrained") is not None:
                together.setdefault(name, []).append(evaluation)
        rows += [_row(name, members, protocol) for name, members in together.items()]
        pairs += _pairs(together, protocol)
    return Comparison(data=first.conditions.data, n_test=len(first.test_labels), rows=tuple(rows), pairs=tuple(pairs))


def tables(comparison: Comparison) -> list[Table]:
    """Return two tables for the terminal: what each group scores, and how every two groups differ."""
    scores = Table(
        title=Text(f"{comparison.data}: {comparison.n_test} test clouds"),
        caption="± half the 95 % t-interval over runs that differ by the seed; [ ] 95 % interval over test clouds",
        caption_justify="left",
    )
    for name in ("protocol", "runs", "pre-trained", "untrained"):
        scores.add_column(name, justify="right" if name.endswith("trained") else "left")
    for row in comparison.rows:
        baseline = "" if row.untrained is None else points(row.untrained)
        scores.add_row(row.protocol, Text(row.group), Text(accuracy(row.accuracy, row.test_interval)), baseline)
    pairs = Table(
        title="differences in points",
        caption="p after Holm's correction for all pairs of a protocol\n" + _speaks_of(comparison.pairs),
        caption_justify="left",
    )
    for name in ("protocol", "first", "second", "first - second", "p"):
        pairs.add_column(name, justify="right" if name in ("first - second", "p") else "left")
    for pair in comparison.pairs:
        groups = Text(pair.first), Text(pair.second)
        star = "" if pair.of_recipes or not any(one.of_recipes for one in comparison.pairs) else " *"
        pairs.add_row(pair.protocol, *groups, Text(difference(pair.difference) + star), p_value(pair.p_holm))
    return [scores, pairs]


def _speaks_of(pairs: Sequence[Pair]) -> str:
    """Say what the intervals of the differences are over."""
    of_recipes = "over runs and test clouds: of the recipes"
    alone = "over test clouds: of these networks alone, other seeds may differ"
    if all(pair.of_recipes for pair in pairs):
        return of_recipes
    if not any(pair.of_recipes for pair in pairs):
        return f"{alone}; pre-train each with at least two seeds to compare recipes"
    return f"{of_recipes}; where a group is a single run (*) {alone}"


def _row(name: str, members: list[Evaluation], protocol: str) -> Row:
    means = [s.accuracy.mean for m in members if (s := m.score(protocol, "pretrained")) is not None]
    baselines = [s.accuracy.mean for m in members if (s := m.score(protocol, "untrained")) is not None]
    accuracy = stats.mean_interval(means, over="runs")
    shared = all(bool(s.repeats[0].predictions) for m in members if (s := m.score(protocol, "pretrained")) is not None)
    return Row(
        group=name,
        runs=tuple(m.run for m in members),
        protocol=protocol,
        accuracy=accuracy,
        test_interval=stats.wilson(accuracy.mean, len(members[0].test_labels)) if shared else None,
        untrained=float(np.mean(baselines)) if baselines else None,
    )


def _pairs(groups: dict[str, list[Evaluation]], protocol: str) -> list[Pair]:
    """Compare every two groups, and correct the p-values for having done so."""
    made = []
    for (first, ours), (second, theirs) in itertools.combinations(groups.items(), 2):
        found = difference_of(ours, theirs, protocol)
        if found is not None and found.p is not None:
            made.append(Pair(protocol=protocol, first=first, second=second, difference=found, p_holm=found.p))
    corrected = stats.holm([pair.p_holm for pair in made])
    return [replace(pair, p_holm=p) for pair, p in zip(made, corrected, strict=True)]


def difference_of(ours: Sequence[Evaluation], theirs: Sequence[Evaluation], protocol: str) -> Estimate | None:
    """Return the mean accuracy of one group less another's; None where they share neither clouds nor episodes."""
    scores = [[s for m in group if (s := m.score(protocol, "pretrained")) is not None] for group in (ours, theirs)]
    labels = ours[0].test_labels
    if len(scores[0]) == len(scores[1]) == 1:
        found = record.gain(scores[0][0], scores[1][0], labels)
        return None if found is None else replace(found, n=1, method=f"{found.method}, {ALONE}")
    drawn = {tuple(r.seed for r in s.repeats) for group in scores for s in group}
    own_clouds = any(not s.repeats[0].predictions for group in scores for s in group)
    if not scores[0] or not scores[1] or (own_clouds and len(drawn) > 1):
        return None
    right = [np.stack([_per_unit(s, labels) for s in group]) for group in scores]
    return difference_of_runs(*right, over=scores[0][0].over if own_clouds else "test clouds")


def _per_unit(score: Score, labels: tuple[int, ...]) -> Float64[np.ndarray, " t"]:
    """Return the correctness per test cloud, or the accuracy per episode where episodes have clouds of their own."""
    if score.repeats[0].predictions:
        return record.correctness(score, labels)
    return np.array([one.accuracy for one in score.repeats])


def _joined(names: list[str]) -> str:
    """Return `a-s0, a-s1` as `a-s{0,1}`."""
    if len(names) == 1:
        return names[0]
    start = "".join(c[0] for c in itertools.takewhile(lambda c: len(set(c)) == 1, zip(*names, strict=False)))
    return f"{start}{{{','.join(name[len(start) :] for name in names)}}}"
