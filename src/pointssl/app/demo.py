"""The whole story in a few minutes: pre-train, measure beside the random-init baseline, draw, and say where to look."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pointssl.app.recipes import recipe
from pointssl.data.cloud import Dataset
from pointssl.data.files.scan import ARCHIVES
from pointssl.data.open import open_dataset, splits_of
from pointssl.data.splits import open_splits
from pointssl.data.store.dataset import is_store
from pointssl.data.store.pack import pack
from pointssl.errors import RunError
from pointssl.evaluation.suite import evaluate
from pointssl.evaluation.table import evaluation_table
from pointssl.progress import console
from pointssl.runs.config import PretrainConfig
from pointssl.runs.layout import is_begun
from pointssl.runs.run import Run
from pointssl.show.run.report import write_report
from pointssl.train.estimate import duration, estimate
from pointssl.train.pretrain import pretrain

SHAPES = "synthetic:720"
"""The generated shapes that the demo runs on when no data is given."""
POINTS = 1024
"""Points per cloud, fewer where the user's clouds have fewer."""


def run_demo(data: str | None, out: Path, *, seconds: float, seed: int) -> Path:
    """Make a run in `out`, measure it, write its page and return that; an unfinished demo is resumed."""
    source = _packed(data, out) if data is not None else SHAPES
    splits = _splits(source, seed)
    train = splits[0] if splits else open_dataset(source)
    run = out / "run"
    if is_begun(run):
        begun = Run.open(run)
        config, before = begun.config, begun.trained_on
        if before is None or (before.fingerprint, config.seed) != (train.fingerprint, seed):
            kept = f"{out} holds a demo of {before} with seed {config.seed}"
            raise RunError(f"{kept}; delete it, or choose another place with --out")
        console.print(f"going on with the demo in {out}")
    else:
        config = _plan(source, "train" if splits else "all", train, seconds, seed)
    # What we held out ourselves nobody can open again by the name of the data.
    held_out = splits is not None and "train" not in splits_of(source)
    pretrain(config, run, data=train if held_out else source, resume=is_begun(run))
    if splits:
        console.print(
            evaluation_table(evaluate(run, splits, protocols=("svm-cv-wide", "svm-cv-standardised", "knn-20")))
        )
    else:
        console.print("the clouds have no labels: pictures only, there is nothing to measure against")
    return write_report(run, out, data=splits[1] if splits else train)


def _packed(data: str, out: Path) -> str:
    """Pack a folder of files once, so that training does not read meshes again and again; the rest is quick enough."""
    store = out / "clouds"
    if store.exists():
        return str(store)
    here = Path(data).expanduser()
    if here.is_dir() and not is_store(here) and not any((here / name).is_file() for name in ARCHIVES):
        summary = pack(here, store)
        if summary.failures:
            lost = ", ".join(failure.path.name for failure in summary.failures[:3])
            console.print(f"{len(summary.failures)} files could not be read and are left out: {lost} ...")
        return str(store)
    return data


def _splits(source: str, seed: int) -> tuple[Dataset, Dataset] | None:
    """Return the training and test part of labelled clouds, None for unlabelled ones."""
    if open_dataset(source).labels is None:
        return None
    splits = open_splits(source, seed=seed)
    return splits.train, splits.test


def _plan(source: str, split: str, train: Dataset, seconds: float, seed: int) -> PretrainConfig:
    """Choose as many steps as `seconds` allow on this machine, measured on real ones, and say so."""
    base = recipe("parae-pointnet")
    points = int(min(POINTS, np.min([len(train.xyz(i)) for i in range(len(train))])))
    shared = replace(
        base.data,
        source=source,
        split=split,
        reading=replace(base.data.reading, points=points),
        batch_size=min(base.data.batch_size, len(train)),
    )
    config = replace(base, data=shared, seed=seed, checkpoint_every=50, log_every=2, monitor_every=50)
    cost = estimate(config, data=train, steps=3)
    steps = max(10, int(seconds / cost.seconds_per_step))
    epochs = steps * shared.batch_size / len(train)
    console.print(
        f"pre-training ParAE on {len(train)} clouds of {points} points: {steps} steps ({epochs:.1f} epochs), about "
        f"{duration(steps * cost.seconds_per_step)}; then evaluation and pictures, about as long again"
    )
    return replace(config, steps=steps)
