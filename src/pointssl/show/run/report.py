"""One page about one run: what it is worth, what it learned, how it was made. It opens from disk, anywhere."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from pointssl import files, progress
from pointssl.backbones import Backbone
from pointssl.data.cloud import Dataset, Up
from pointssl.data.open import Data, open_dataset, splits_of
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import first_clouds
from pointssl.errors import DataError, RunError, SettingError
from pointssl.methods import PretextMethod, figures_of
from pointssl.methods.base import explained_by
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.run import Run
from pointssl.runs.weights import digest
from pointssl.show.page import page, panels
from pointssl.show.run.evaluations import read_comparisons
from pointssl.show.run.explain import Explainer, explain
from pointssl.show.run.maps import Maps, make_maps
from pointssl.show.run.robustness import robustness
from pointssl.show.run.scores import headline
from pointssl.show.run.seen_views import seen_strips
from pointssl.show.scene import ShapeView
from pointssl.train.checks import pictures_for

MAP_CLOUDS = 800
"""Clouds on the maps; more would take minutes to arrange and hide one another."""
_BATCH = 32


def write_report(
    run: Run | Path | str,
    out: Path | None = None,
    *,
    data: Data | None = None,
    backbone: Backbone | None = None,
    method: PretextMethod | None = None,
    shapes: int = 6,
    seed: int = 0,
    up: Up | None = None,
) -> Path:
    """Write `report.html` and `figures/` (PNG and SVG of every picture) and return the path of the page.

    What cannot be shown (no evaluation yet, data that has moved) is said on the page in its place.

    Args:
        run: a folder that `pretrain` made, finished or with at least one checkpoint.
        out: folder to write into; the run itself by default.
        data: the clouds to look at; by default the test split of the run's own data, or else what it trained on.
        backbone: the network of a run that it was passed to.
        method: the method of a run that it was passed to; without it, the encoder alone is shown.
        shapes: how many of them to show in 3D, each of another class where there are classes.
        seed: decides which clouds are shown, and which points are drawn from them.
        up: axis of the clouds that points up: x, y or z; the data set's own when not given.

    Raises:
        RunError: `run` is not a run, or holds no weights yet.
        SettingError: `shapes` or `up` is out of range.
    """
    if shapes < 1:
        raise SettingError(f"shapes must be at least 1, got {shapes}")
    if up not in (None, "x", "y", "z"):
        raise SettingError(f"up must be x, y or z, got {up}")
    opened = Run.open(run, backbone=backbone, method=method)
    run, config = opened.folder, opened.config
    out = run if out is None else Path(out)
    files.require_place(out / "report.html")
    encoder = opened.encoder()
    scores, notes = read_comparisons(opened.evaluations(), digest(encoder))
    damage = robustness(opened.evaluations(), digest(encoder))
    kept = _record(opened)
    try:
        clouds = first_clouds(open_own(opened) if data is None else shown(data), MAP_CLOUDS)
        seen = _see(opened, encoder, clouds, shapes, seed, up or opened.config.data.reading.up_in(clouds))
    except (DataError, SettingError) as error:
        lost = page.missing(f"The clouds could not be read: {error}.")
        seen = [page.Panel(title="What the network sees in a shape", html=lost)]
    shared = panels.information(opened.metrics(), config.data.batch_size * _processes(kept))
    parts = [
        panels.worth(scores, notes, f"pointssl evaluate {run} --data {config.data.source or 'PATH'}"),
        *([] if damage is None else [damage]),
        *seen,
        panels.training(opened.metrics(), figures_of(config.method) if method is None else method.figures),
        *([] if shared is None else [shared]),
        panels.record(run, kept, to_json(config)),
    ]
    for picture in (one for panel in parts for one in panel.pictures):
        picture.write(out / "figures")
    text = page.build_page(
        title=_title(config),
        kicker=" · ".join(["pointssl", f"run {opened.name}", str(kept.get("started", ""))[:10]]).strip(" ·"),
        lead=headline(scores[0]) if scores else "Pre-trained without labels; not yet evaluated.",
        panels=parts,
        footer="Every picture of this page lies beside it in figures/, as PNG and SVG.",
    )
    files.write_text(out / "report.html", text)
    return out / "report.html"


def _see(run: Run, encoder: Backbone, data: Dataset, shapes: int, seed: int, up: Up) -> list[page.Panel]:
    """Return the panels that need clouds."""
    batches = -(-min(len(data), MAP_CLOUDS) // _BATCH)
    with progress.bar("report", min(shapes, len(data)) + 2 * batches + 3) as line:
        method = _whole(run)
        source = partial(explained_by, encoder) if method is None else method.explain
        views = look(source, data, run.reading, shapes, seed, line.advance)
        picked = np.random.default_rng(seed).integers([len(one.points) for one in views]).tolist()
        made = [panels.shapes(views, up)]
        line.advance(note="pictures")
        made += panels.stills(views, picked, up)
        if method is not None and method.views:
            made.append(_contrasted(run, method, data, seed))
        line.advance(note="maps")
        made.append(panels.feature_maps(compare_maps(run, encoder, data, seed, line.advance)))
        line.advance(note="done")
    return made


def _contrasted(run: Run, method: PretextMethod, data: Dataset, seed: int) -> page.Panel:
    """Return the panel of the views that clouds are contrasted with, or why they cannot be shown."""
    chosen = choose(data.labels, len(data), 3, seed)
    try:
        stored = pictures_for(method, data, run.config)
        strips = seen_strips(method, data, chosen, [_name(data, one) for one in chosen], run.reading, stored, seed)
    except (DataError, SettingError) as error:
        return page.Panel(title=panels.VIEWS, html=page.missing(f"The views could not be read: {error}."))
    return panels.contrasted(strips, drawn=stored is None)


def open_own(run: Run) -> Dataset:
    """Open the test split of the data that a run was trained on, or what it trained on where there is none.

    Raises `DataError` where the clouds cannot be opened again, or are others than those of the run's record.
    """
    source, split = run.config.data.source, run.config.data.split
    if source is None:
        raise DataError("the run was given its clouds as an object: give data (--data PATH) to see some")
    if "test" in splits_of(source):
        return open_dataset(source, "test")
    found, trained_on = open_dataset(source, split), run.trained_on
    if trained_on is not None and trained_on.fingerprint != found.fingerprint:
        raise DataError(f"{source} holds other clouds than those of the run, {trained_on}; give data (--data PATH)")
    return found


def shown(data: Data) -> Dataset:
    """Open clouds to look at: all of them, or the test set of a pair."""
    return open_dataset(data, "test" if isinstance(data, tuple) else "all")


def choose(labels: Int[np.ndarray, " m"] | None, clouds: int, count: int, seed: int) -> list[int]:
    """Return up to `count` clouds, each of another class as long as there are other classes."""
    order = np.random.default_rng(seed).permutation(clouds)
    if labels is None:
        return [int(one) for one in order[:count]]
    # Place of every cloud within its class in this order: first ones of all classes come before any second one.
    turn = np.empty(clouds, dtype=np.int64)
    seen: dict[int, int] = {}
    for one in order:
        turn[one] = seen.get(int(labels[one]), 0)
        seen[int(labels[one])] = int(turn[one]) + 1
    return [int(one) for one in sorted(order.tolist(), key=lambda k: turn[k])[:count]]


def look(
    source: Explainer,
    data: Dataset,
    reading: ReadConfig,
    count: int,
    seed: int,
    done: Callable[[], None] = lambda: None,
) -> list[ShapeView]:
    """Explain a few clouds of `data`, read as in training; `done` is called after each."""
    chosen = choose(data.labels, len(data), count, seed)
    if not chosen:
        raise DataError(f"{data.name} holds no clouds; there is nothing to show")
    views = []
    for index in chosen:
        [points] = reading.batch(data, [index], seed=seed).xyz.numpy()
        views.append(explain(source, points, _name(data, index)))
        done()
    return views


def compare_maps(
    run: Run,
    encoder: Backbone,
    data: Dataset,
    seed: int,
    done: Callable[[], None] = lambda: None,
) -> Maps:
    """Map clouds of `data` by the encoder and by its random-init baseline; `done` is called after each batch."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(data))[:MAP_CLOUDS])
    arms = (("Pre-trained", encoder), ("Untrained", run.untrained(seed)))
    pooled = [(heading, _pooled(one, data, chosen, run.reading, seed, done)) for heading, one in arms]
    labels = None if data.labels is None else data.labels[chosen]
    return make_maps(pooled, labels, data.classes, data=data.name, seed=seed)


@torch.inference_mode()
def _pooled(
    encoder: Backbone,
    data: Dataset,
    chosen: Int[np.ndarray, " m"],
    reading: ReadConfig,
    seed: int,
    done: Callable[[], None],
) -> Float[np.ndarray, "m e"]:
    """Return the pooled feature of the chosen clouds."""
    rows = []
    for start in range(0, len(chosen), _BATCH):
        xyz = reading.batch(data, chosen[start : start + _BATCH], seed=seed).xyz
        rows.append(encoder(xyz).pooled.float().numpy())
        done()
    return np.concatenate(rows)


def _whole(run: Run) -> PretextMethod | None:
    """Return the whole method, or None where the run keeps the encoder alone."""
    try:
        return run.method()
    except RunError:
        return None


def _name(data: Dataset, index: int) -> str:
    labels = data.labels
    if labels is not None and data.classes:
        return f"{data.classes[labels[index]]}".replace("_", " ")
    return data[index].name or f"cloud {index}"


def _title(config: PretrainConfig) -> str:
    method, backbone = (type(one).__name__.removesuffix("Config") for one in (config.method, config.backbone))
    return f"{method} on {backbone}"


def _processes(kept: Mapping[str, object]) -> int:
    """Return how many processes trained together, 1 where the record does not say."""
    hardware = kept.get("hardware")
    count = hardware.get("processes") if isinstance(hardware, dict) else None
    return count if isinstance(count, int) else 1


def _record(run: Run) -> dict[str, object]:
    """Return the run's record, empty where it is missing or damaged: a report is no reason to fail."""
    try:
        return run.record
    except RunError:
        return {}
