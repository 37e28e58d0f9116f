"""Measure a run: every protocol for the pre-trained encoder and for the same network untrained, kept under the run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pointssl.data.cloud import Dataset
from pointssl.data.splits import Splits, open_splits
from pointssl.errors import SettingError, nearest
from pointssl.evaluate import record
from pointssl.evaluate.bench import Bench
from pointssl.evaluate.features import Reading
from pointssl.evaluate.few_shot import FewShotConfig
from pointssl.evaluate.fractions import FRACTIONS, SUBSETS
from pointssl.evaluate.protocols import PROTOCOLS
from pointssl.evaluate.recipes import RECIPES, FinetuneConfig
from pointssl.evaluate.record import Conditions, Evaluation, Predicted, Score, Skipped
from pointssl.runs import checkpoint
from pointssl.runs.config import PretrainConfig
from pointssl.runs.weights import digest

DEFAULT = ("svm-fixed", "svm-cv", "svm-cv-standardised", "knn-20", "knn-1")
"""What is measured when nothing is asked for: the protocols on frozen features, which take seconds to minutes."""

PROBES = (*DEFAULT, "svm-cv-wide", "linear-svc")
"""Protocols that have no settings besides the evaluation's conditions."""


def evaluate(
    run: Path | str,
    data: str | tuple[Dataset, Dataset],
    *,
    protocols: Sequence[str] = DEFAULT,
    seeds: Sequence[int] = (0, 1, 2),
    points: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    bf16: bool = False,
    finetune: FinetuneConfig | str = "small",
    few_shot: FewShotConfig | None = None,
    few_shot_finetune: FinetuneConfig | str = "few-shot",
    fractions: Sequence[float] = FRACTIONS,
    subsets: int = SUBSETS,
    out: Path | None = None,
    reuse: bool = False,
) -> Evaluation:
    """Measure the encoder of `run` on `data`, write `run/evaluation/<data>.json` and return what it says.

    `data` is what `open_dataset` takes, or a training and a test set. `points` is the run's own number when not given.
    The file grows after every protocol, and scores of other protocols under the same conditions stay in it. With
    `reuse`, probes that are already in it are not fitted again. Raises `RunError`, `DataError` or `SettingError`.
    """
    folder = out or checkpoint.existing(run) / "evaluation"
    config = checkpoint.read_config(run)
    pretrained = checkpoint.load(run)
    reading = Reading(
        points=points or config.data.points,
        normalise=config.data.normalise,
        allow_repeats=config.data.allow_repeats,
        batch_size=batch_size,
        device=device,
        bf16=bf16,
    )
    chosen = checked(protocols, PROTOCOLS)
    splits = open_splits(data)
    bench = Bench(
        arms={"pretrained": lambda _: pretrained, "untrained": lambda seed: checkpoint.untrained(run, seed)},
        splits=splits,
        reading=reading,
        seeds=_seeds(seeds),
        cache=folder,
        finetune=recipe(finetune),
        few_shot=few_shot or FewShotConfig(),
        few_shot_finetune=recipe(few_shot_finetune),
        fractions=tuple(fractions),
        subsets=subsets,
    )
    source = f"{config.data.source}, split {config.data.split}"
    notes = [f"test clouds were in the pre-training data ({source}), without labels"] if _seen(data, config) else []
    return measure(bench, chosen, run=str(run), pretraining=source, notes=notes, folder=folder, reuse=reuse)


def measure(
    bench: Bench,
    protocols: Sequence[str],
    *,
    run: str,
    pretraining: str = "not recorded",
    notes: Sequence[str] = (),
    folder: Path | None = None,
    reuse: bool = False,
) -> Evaluation:
    """Run the protocols on any two arms; write the result to `folder` after each, where one is given."""
    splits = bench.splits
    result = Evaluation(
        run=run,
        weights=digest(bench.arms["pretrained"](bench.seeds[0])),
        pretraining=pretraining,
        conditions=conditions(splits, bench),
        test_labels=Predicted(tuple(splits.test_labels.tolist())),
        notes=tuple(notes),
        versions=record.versions(),
    )
    old = None if folder is None else _kept(folder, result)
    if old is not None:
        result = record.merge(old, result)
    for name in protocols:
        if reuse and name in PROBES and result.score(name, "pretrained") is not None:
            continue
        found = PROTOCOLS[name](bench)
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


def conditions(splits: Splits, bench: Bench) -> Conditions:
    """Return what another evaluation must share with this one to be comparable."""
    return Conditions(
        data=splits.name,
        train_fingerprint=splits.train.fingerprint,
        test_fingerprint=splits.test.fingerprint,
        split=splits.origin,
        classes=splits.train.classes,
        points=bench.reading.points,
        seeds=bench.seeds,
        bf16=bench.reading.bf16,
    )


def checked(names: Sequence[str], known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names once each, or raise `SettingError` with the nearest known one."""
    for name in names:
        if name not in known:
            raise SettingError(f"there is no protocol '{name}'{nearest(name, known)}")
    if not names:
        raise SettingError(f"name at least one protocol{nearest('', known)}")
    return tuple(dict.fromkeys(names))


def recipe(given: FinetuneConfig | str) -> FinetuneConfig:
    """Return fine-tuning settings by name, or as they are."""
    if isinstance(given, FinetuneConfig):
        return given
    if given not in RECIPES:
        raise SettingError(f"there is no fine-tuning recipe '{given}'{nearest(given, RECIPES)}")
    return RECIPES[given]


def _seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) != len(seeds):
        raise SettingError(f"seeds must be different numbers, at least one, got {list(seeds)}")
    return tuple(seeds)


def _seen(data: str | tuple[Dataset, Dataset], config: PretrainConfig) -> bool:
    """Tell whether the encoder saw the test clouds in pre-training, as far as the settings can say."""
    return isinstance(data, str) and data == config.data.source and config.data.split in ("all", "test")


def _edge_notes(scores: Sequence[Score]) -> list[str]:
    """Say where cross-validation chose the end of the grid: a C beyond it might have scored more."""
    from pointssl.evaluate.probe import GRID, WIDE_GRID

    notes = []
    for s in scores:
        kind = s.protocol.split()[0]
        last = WIDE_GRID[-1] if kind == "svm-cv-wide" else GRID[-1]
        if "cross-validation" in s.rule and any(r.c in (GRID[0], last) for r in s.repeats):
            # Unscaled features of an untrained network are often so small that the usual grid ends too early.
            notes.append(f"{kind}, {s.arm}: C at the end of its grid, see svm-cv-standardised and svm-cv-wide")
    return list(dict.fromkeys(notes))
