"""The command `pointssl interpret`: which structures do classifiers use, on the same clouds and regions?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from pointssl.errors import SettingError
from pointssl.progress import make_console, say

if TYPE_CHECKING:
    from torch import nn

    from pointssl.data.cloud import Dataset
    from pointssl.data.reading import ReadConfig
    from pointssl.interpret.config import InteractConfig


def interpret(
    runs: Positional[tuple[Path, ...]],
    *,
    data: str,
    out: Path = Path("interactions"),
    clouds: int = 200,
    regions: int = 10,
    segmentation: Literal["farthest", "parts"] = "farthest",
    masking: Literal["mean", "nearest", "resample"] = "mean",
    score: Literal["log_odds", "log_p", "logit"] = "log_odds",
    target: Literal["true", "predicted"] = "true",
    low: tuple[int, int] | None = None,
    high: tuple[int, int] | None = None,
    points: int | None = None,
    seed: int = 0,
    batch: int | None = None,
    device: str | None = None,
    parquet: bool = False,
    up: Literal["x", "y", "z"] | None = None,
) -> None:
    """Measure the interactions of classifiers and write a page that compares them with the first.

    All combinations of up to 16 regions are tried; for more, Shapley values and pairs are estimated by sampling. A stop
    in between costs at most eight clouds: the same command goes on.

    Args:
        runs: folders of trained classifiers, one or more; the others are compared with the first.
        data: labelled clouds of their classes: a folder, store or file, `synthetic`, or NAME:PATH; its test clouds.
        out: folder for the page, the figures as JSON and the tables.
        clouds: test clouds to measure on, as many of each class as there are.
        regions: regions per cloud.
        segmentation: `farthest` cuts regions around points that lie far apart, `parts` takes the data's part labels.
        masking: where points of absent regions go: the cloud's mean, the nearest kept point, or kept points again.
        score: what is explained, of one class.
        target: which class: the cloud's own, or what the network says.
        low: first and last order called low; 1 to 0.3 n by default.
        high: first and last order called high; from 0.7 n to n by default.
        points: points per cloud; the runs' own by default.
        seed: decides which clouds and which of their points.
        batch: masked clouds per forward pass; by default 128 on a GPU, 16 on a CPU.
        device: `cpu`, `cuda` or `cuda:1`; by default the GPU where there is one.
        parquet: also write the tables as parquet.
        up: axis of the clouds that points up: x, y or z; the data set's own by default.
    """
    from pointssl.data.splits import open_splits
    from pointssl.interpret import comparison, table
    from pointssl.interpret.config import MOST_EXACT, InteractConfig
    from pointssl.interpret.measurement import interact
    from pointssl.interpret.profiles import ProfileConfig
    from pointssl.show.interactions import page

    networks = load(runs)
    try:
        settings = InteractConfig(
            clouds=clouds,
            regions=regions,
            segmentation=segmentation,
            masking=masking,
            score=score,
            target=target,
            seed=seed,
            batch=batch,
            device=device,
            reading=own_reading(runs, points),
        )
        display = ProfileConfig(low=low, high=high)
    except ValueError as error:
        raise SettingError(str(error)) from error
    dataset = open_splits(data).test
    if regions > MOST_EXACT:
        _estimate(networks, dataset, settings, out)
        return
    display.ranges(regions)  # a range that is none is told before the work
    found = interact(networks, dataset, settings, out=out)
    for name, one in found.items():
        if parquet:
            table.save(one, out / f"{name}.parquet")
    up = up or settings.reading.up_in(dataset)
    compared = comparison.compare_networks(list(found.values()), display)
    comparison.save(compared, out / "interactions.json")
    _say(f"page: {page.write(compared, out, up=up)}")
    _say(f"figures: {out / 'interactions.json'}")


def load(runs: Sequence[Path]) -> dict[str, "nn.Module"]:
    """Return the classifiers by the names of their folders, made different where two are the same."""
    from pointssl.train.classifier import load_classifier

    if not runs:
        raise SettingError("name at least one run of a classifier: pointssl interpret RUN --data PATH")
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = ["-".join(run.resolve().parts[-3:]) for run in runs]
    if len(set(names)) < len(names):
        raise SettingError(f"the runs must be different folders, got {', '.join(map(str, runs))}")
    return {name: load_classifier(run) for name, run in zip(names, runs, strict=True)}


def own_reading(runs: Sequence[Path], points: int | None) -> "ReadConfig":
    """Return how the runs read clouds, or with `points` points where they are given.

    Raises:
        SettingError: runs that differ in it; their values would not be comparable.
    """
    from pointssl.runs.run import Run

    found = [Run.open(run).reading.with_points(points) for run in runs]
    if any(one != found[0] for one in found):
        differ = sorted({one.points for one in found})
        what = f"{differ} points per cloud; choose one with --points" if len(differ) > 1 else "other data settings"
        raise SettingError(f"the runs were trained with {what}")
    return found[0]


def _estimate(networks: Mapping[str, "nn.Module"], dataset: "Dataset", settings: "InteractConfig", out: Path) -> None:
    """Write and show sampled figures, and say that they are estimates."""
    from rich.table import Table

    from pointssl import files
    from pointssl.interpret.sampled import estimate

    found = estimate(networks, dataset, settings)
    shown = Table("size of context", *found, box=None, pad_edge=False)
    kept: dict[str, Any] = {"settings": asdict(settings), "note": "estimates by sampling, not exact", "networks": {}}
    for name, one in found.items():
        strength = one.pair_strength.mean(axis=0)
        kept["networks"][name] = {
            "size": one.size,
            "pair_strength": strength.tolist(),
            "shapley": one.shapley.tolist(),
            "shapley_error": one.shapley_error.tolist(),
            "shapley_converged": float(one.shapley_converged.mean()),
            "pairs_converged": float(one.pairs_converged.mean()),
        }
    sizes = next(iter(found.values())).size
    for column, size in enumerate(sizes):
        row = (f"{kept['networks'][name]['pair_strength'][column]:.4f}" for name in found)
        shown.add_row(str(size), *row)
    files.write_json(out / "estimates.json", kept)
    _say("Estimates by sampling: mean |I_ij| of two regions, by the number of other regions that are kept")
    make_console().print(shown)
    for name, one in kept["networks"].items():
        _say(
            f"{name}: converged for {one['pairs_converged']:.0%} of the clouds (pairs) and "
            f"{one['shapley_converged']:.0%} (Shapley values); where not, chance is a large part of the figure"
        )
    _say(f"figures: {out / 'estimates.json'}")


def _say(text: str) -> None:
    say(text, make_console())
