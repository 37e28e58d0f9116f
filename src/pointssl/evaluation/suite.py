"""Measure a run: every protocol for the pre-trained encoder and for the same network untrained, kept under the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pointssl.backbones import Backbone
from pointssl.data.open import Data
from pointssl.data.splits import Splits, holds_test_clouds, open_splits
from pointssl.errors import SettingError
from pointssl.evaluation import record
from pointssl.evaluation.context import FRACTIONS, SUBSETS, EvaluationContext
from pointssl.evaluation.features import EncodeConfig
from pointssl.evaluation.few_shot import FewShotConfig
from pointssl.evaluation.probe import PROBES
from pointssl.evaluation.protocols import DEFAULT, Protocol, chosen
from pointssl.evaluation.record import Conditions, Evaluation, Predicted, Score, Skipped
from pointssl.runs.config import PretrainConfig
from pointssl.runs.run import Run
from pointssl.runs.weights import digest
from pointssl.train.recipes import train_recipe


def evaluate(
    run: Run | Path | str,
    data: Data,
    *,
    backbone: Backbone | None = None,
    protocols: Sequence[str | Protocol] = DEFAULT,
    seeds: Sequence[int] = (0, 1, 2),
    points: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    bf16: bool = False,
    finetune: PretrainConfig | str = "finetune",
    few_shot: FewShotConfig | None = None,
    few_shot_finetune: PretrainConfig | str = "finetune-few-shot",
    score_epochs: bool = True,
    fractions: Sequence[float] = FRACTIONS,
    subsets: int = SUBSETS,
    out: Path | None = None,
    reuse: bool = False,
) -> Evaluation:
    """Measure the encoder of `run` on `data`, write `run/evaluation/<data>.json` and return what it says.

    `backbone` is the network of a run that it was passed to. `points` is the run's own number when not given.
    `protocols` are names or objects, `finetune` and `few_shot_finetune` recipes of `pointssl train` or settings.
    The file grows after every protocol, and scores of other protocols under the same conditions stay in it. With
    `reuse`, probes that are already in it are not fitted again. Raises `RunError`, `DataError` or `SettingError`.
    """
    opened = Run.open(run, backbone=backbone)
    folder = out or opened.evaluation_folder
    pretrained = opened.encoder()
    reading = opened.reading.with_points(points)
    encode = EncodeConfig(reading=reading, batch_size=batch_size, device=device, bf16=bf16)
    asked = chosen(protocols)
    splits = open_splits(data, classes=any(protocol.classes for protocol in asked))
    context = EvaluationContext(
        arms={"pretrained": lambda _: pretrained, "untrained": opened.untrained},
        splits=splits,
        encode=encode,
        seeds=_seeds(seeds),
        cache=folder,
        finetune=recipe(finetune),
        score_epochs=score_epochs,
        few_shot=few_shot or FewShotConfig(),
        few_shot_finetune=recipe(few_shot_finetune),
        fractions=tuple(fractions),
        subsets=subsets,
    )
    trained_on = opened.trained_on
    leaked = trained_on is not None and holds_test_clouds(trained_on.fingerprint, splits, data)
    notes = [f"test clouds were in the pre-training data ({trained_on}), without labels"] if leaked else []
    source = "not recorded" if trained_on is None else str(trained_on)
    name = str(opened.folder) if isinstance(run, Run) else str(run)
    return measure(context, asked, run=name, pretraining=source, notes=notes, folder=folder, reuse=reuse)


def measure(
    context: EvaluationContext,
    protocols: Sequence[str | Protocol],
    *,
    run: str,
    pretraining: str = "not recorded",
    notes: Sequence[str] = (),
    folder: Path | None = None,
    reuse: bool = False,
) -> Evaluation:
    """Run the protocols on any two arms; write the result to `folder` after each, where one is given."""
    splits = context.splits
    result = Evaluation(
        run=run,
        weights=digest(context.arms["pretrained"](context.seeds[0])),
        pretraining=pretraining,
        conditions=conditions(splits, context),
        test_labels=Predicted(() if splits.test.labels is None else tuple(splits.test.labels.tolist())),
        notes=tuple(notes),
        versions=record.versions(),
    )
    old = None if folder is None else _kept(folder, result)
    if old is not None:
        result = record.merge(old, result)
    for protocol in chosen(protocols):
        if reuse and protocol.settled and result.score(protocol.name, "pretrained") is not None:
            continue
        found = protocol.run(context)
        scores = tuple(r for r in found if isinstance(r, Score))
        skipped = tuple(r for r in found if isinstance(r, Skipped))
        told = (*notes, *_edge_notes(scores))
        result = record.merge(result, replace(result, scores=scores, skipped=skipped, notes=told))
        if folder is not None:
            record.save(result, folder)
    return result


def _kept(folder: Path, result: Evaluation) -> Evaluation | None:
    """Return what an earlier call found out about the same question."""
    path = record.path_of(folder, result.conditions.data)
    old = record.load(path) if path.is_file() else None
    return old if old is not None and record.same_question(old, result) else None


def conditions(splits: Splits, context: EvaluationContext) -> Conditions:
    """Return what another evaluation must share with this one to be comparable."""
    return Conditions(
        data=splits.name,
        train_fingerprint=splits.train.fingerprint,
        test_fingerprint=splits.test.fingerprint,
        split=splits.origin,
        classes=splits.train.classes,
        points=context.encode.reading.points,
        seeds=context.seeds,
        bf16=context.encode.bf16,
    )


def recipe(given: PretrainConfig | str) -> PretrainConfig:
    """Return settings of supervised training by name, or as they are."""
    return train_recipe(given) if isinstance(given, str) else given


def _seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) != len(seeds):
        raise SettingError(f"seeds must be different numbers, at least one, got {list(seeds)}")
    return tuple(seeds)


def _edge_notes(scores: Sequence[Score]) -> list[str]:
    """Say where cross-validation chose the end of the grid: a C beyond it might have scored more."""
    notes = []
    for s in scores:
        kind = s.protocol.split()[0]
        config = PROBES.get(kind.replace("fractions-svm", "svm-cv"))
        if config is None or config.c is not None:
            continue
        if any(r.c in (config.grid[0], config.grid[-1]) for r in s.repeats):
            # Unscaled features of an untrained network are often so small that the usual grid ends too early.
            notes.append(f"{kind}, {s.arm}: C at the end of its grid, see svm-cv-standardised and svm-cv-wide")
    return list(dict.fromkeys(notes))
