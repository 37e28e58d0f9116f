"""What each part of MM-Point is worth here: number of views, terms, heads, levels of augmentation, temperature, batch.

Every variant changes one thing of the base (4 views, both terms, a pair of heads per view, nested levels) and is
pre-trained on the same clouds, views, steps and seeds of `psb-shrec12`; the frozen encoder's linear SVM (standardised,
C by cross-validation) is scored on the test clouds. Small on purpose: PointNet, 256 points. Writes
`results/ablate-mm-point.json`; finished runs lie in `runs/ablate-mm-point/` and are not done again.

    POINTSSL_DATA=... python benchmarks/ablate_mm_point.py --seeds 0 1 2
"""

import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import numpy as np
import torch
import tyro

from pointssl.backbones import build_backbone
from pointssl.data.reading import ReadConfig
from pointssl.data.splits import open_splits
from pointssl.evaluation import probe
from pointssl.evaluation.features import EncodeConfig, encode
from pointssl.evaluation.record import versions
from pointssl.files import write_json
from pointssl.methods import MMPointConfig
from pointssl.ops import stats
from pointssl.ops.evidence import difference_of_runs
from pointssl.runs.config import PretrainConfig, to_json
from pointssl.runs.layout import read_json
from pointssl.runs.run import load
from pointssl.train.pretrain import pretrain
from pretext import METHODS, RESULTS, VIEWS, make_views, settings

RUNS = Path("runs/ablate-mm-point")
PROBE = probe.SVMConfig(standardise=True, grid=(0.01, 0.03, 0.1, 0.3), folds=3)
"""As in `pretext.py`, with a shorter grid around the values that were chosen there."""
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "1 view": {"views": 1},
    "2 views": {"views": 2},
    "8 views": {"views": 8},
    "8 views, mean over views": {"views": 8, "over_views": "mean"},
    "intra alone": {"inter": 0.0},
    "inter alone": {"intra": 0.0},
    "one pair of heads for all": {"heads": "single"},
    "two heads": {"heads": "two_head"},
    "all views weakest": {"levels": "weakest"},
    "all views strongest": {"levels": "strongest"},
    "levels at random": {"levels": "random"},
    "no negatives of one's own kind": {"intra_modal_negatives": False},
    "temperature 0.2": {"temperature": 0.2},
    "batches of 64": {},
    "untrained": {},
}
"""Name to what differs from the base in the method; larger batches take half the steps."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per variant and seed."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Which ones; those that are not run but lie there are gathered all the same."""
    epochs: float = 4.0
    """Of every run."""
    points: int = 256
    """Per cloud in pre-training; the probe reads 1,024."""


def main(options: Options) -> None:
    """Train, score, gather."""
    data = Path(os.environ["POINTSSL_DATA"])
    make_views(data)
    for seed in options.seeds:
        for name in options.variants:
            one(data, name, seed, options)
    gather(options)


def one(data: Path, name: str, seed: int, options: Options) -> None:
    """Pre-train and score one variant, unless that was done before."""
    folder = RUNS / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    scores = RUNS / f"{folder.name}.json"
    if scores.is_file():
        return
    config, finished = variant(name, seed, str(data / "psb-shrec12"), options), None
    if name == "untrained":
        torch.manual_seed(seed)
        encoder = build_backbone(config.backbone)
    else:
        pretrain(config, folder, resume=(folder / "config.json").is_file())
        encoder, finished = load(folder), read_json(folder / "record.json").get("finished")
    splits, reading = open_splits(str(data / "psb-shrec12")), EncodeConfig(reading=ReadConfig(points=1024))
    train, test = (encode(encoder, part, reading, seed=seed) for part in (splits.train, splits.test))
    fitted = probe.fit_predict(train, splits.train_labels, test, PROBE, seed=seed)
    right = (fitted.predictions == splits.test_labels).astype(int).tolist()
    validation = max(accuracy for _, accuracy in fitted.validation)
    write_json(scores, {"name": name, "seed": seed, "right": right, "validation": validation, "finished": finished})


def variant(name: str, seed: int, source: str, options: Options) -> PretrainConfig:
    """Return the settings of one run."""
    base = settings("pointnet", "mm-point", seed, source, epochs=options.epochs, points=options.points)
    method = METHODS["mm-point"]
    assert isinstance(method, MMPointConfig)
    views = None if VARIANTS[name].get("inter") == 0.0 else str(VIEWS)
    batch = 64 if name == "batches of 64" else base.data.batch_size
    data = replace(base.data, views=views, batch_size=batch)
    return replace(base, method=replace(method, **VARIANTS[name]), data=data)


def gather(options: Options) -> None:
    """Write accuracy with its interval over test clouds, and the difference to the base over runs and test clouds."""
    found = [read_json(path) for path in sorted(RUNS.glob("*.json"))]
    base = {one["seed"]: np.array(one["right"], dtype=float) for one in found if one["name"] == "base"}
    rows: list[dict[str, Any]] = []
    for name, changes in VARIANTS.items():
        mine = {one["seed"]: np.array(one["right"], dtype=float) for one in found if one["name"] == name}
        if not mine:
            continue
        clouds = np.mean(list(mine.values()), axis=0)
        seconds = [one["finished"]["seconds"] for one in found if one["name"] == name and one["finished"]]
        row: dict[str, Any] = {
            "name": name,
            "changes": changes,
            "seeds": sorted(mine),
            "values": [float(one.mean()) for one in mine.values()],
            "validation": [one["validation"] for one in found if one["name"] == name],
            "seconds": seconds,
            "accuracy": asdict(stats.mean_interval(clouds, over="clouds")),
        }
        if name != "base" and base:
            row["against_base"] = asdict(difference_of_runs(*(np.stack(list(arm.values())) for arm in (mine, base))))
        rows.append(row)
    shown = to_json(variant("base", 0, "psb-shrec12", options))
    shown["data"]["views"] = "views of psb-shrec12/meshes.npz"
    command = "python benchmarks/ablate_mm_point.py " + " ".join(sys.argv[1:])
    write_json(
        RESULTS / "ablate-mm-point.json", {"command": command, "settings": shown, "versions": versions(), "rows": rows}
    )
    for row in rows:
        gain = f"{100 * row['against_base']['mean']:+5.1f}" if "against_base" in row else ""
        print(f"{row['name']:32} {100 * row['accuracy']['mean']:5.1f}  {gain}")


if __name__ == "__main__":
    main(tyro.cli(Options))
